public import CASCore
public import Catalog
public import Signing
public import SystemPackage

/// The tags of a repository that is published here. Source: format 4.1.
///
/// ```swift
/// let tags = RepositoryTags(of: "demo.example.org", storage: "/srv/cvmfs/demo.example.org", keys: "/etc/cvmfs/keys")
/// try await tags.add("v1", description: "first release")
/// try await tags.rollBack(to: "v1")
/// ```
public struct RepositoryTags: Sendable {
    public let repository: String
    /// The repository's own folder, which holds `.cvmfspublished`.
    public let storage: FilePath
    /// Where the keys are; nobody needs them to list tags.
    public let keys: FilePath?

    public init(of repository: String, storage: FilePath, keys: FilePath? = nil) {
        self.repository = repository
        self.storage = storage
        self.keys = keys
    }

    /// What rolling back has done.
    public struct Rollback: Sendable {
        /// The newest revision, which repeats an older one.
        public let manifest: Manifest
        /// The tags that stood for revisions between.
        public let removed: [Tag]
    }

    /// All tags, the newest revision first.
    public func list() async throws -> [Tag] {
        try await reading {
            try StoredRepository(repository, at: storage).tags().sortedTags.reversed()
        }
    }

    /// Gives a name to a revision.
    ///
    /// - Parameters:
    ///   - name: without blanks; `trunk` and `trunk-previous` are taken.
    ///   - description: what it is for; one line.
    ///   - root: the root catalog of the revision, the newest one's when left out. With it, a tag that exists is moved.
    /// - Throws: `PublishingError`: `exists`, `invalidArgument`, `noSuchEntry`, `locked`.
    @discardableResult
    public func add(_ name: String, description: String = "", root: ContentHash? = nil) async throws -> Tag {
        try await write { try $0.addTag(name, description: description, root: root) }
    }

    /// Removes tags; all of them, or none when one of them does not exist.
    @discardableResult
    public func remove(_ names: [String]) async throws -> [Tag] { try await write { try $0.removeTags(names) } }

    /// Publishes an older revision again, as the newest one, and forgets the tags of the revisions between.
    ///
    /// - Parameter tag: of the default branch; the revision before the newest one when left out.
    @discardableResult
    public func rollBack(to tag: String? = nil) async throws -> Rollback {
        try await write { writer in
            let (manifest, removed) = try writer.rollBack(to: tag)
            return Rollback(manifest: manifest, removed: removed)
        }
    }

    private func write<Result: Sendable>(
        _ body: @escaping @Sendable (RepositoryWriter) throws -> Result
    ) async throws -> Result {
        guard let keys else { throw PublishingError(.keys, "changing tags needs the keys: name their folder") }
        return try await reading {
            let folder = try KeyFolder(at: keys, repository: repository, storage: storage)
            let writer = try RepositoryWriter.open(repository, storage: storage, keys: folder)
            defer { writer.close() }
            return try body(writer)
        }
    }

    private func reading<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        do {
            return try await BlockingPool.shared.run(body)
        } catch let error as CatalogError {
            throw PublishingError(error, "the catalogs or tags of \(repository) cannot be read")
        }
    }
}
