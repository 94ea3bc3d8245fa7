public import CASCore
internal import CVMFS
public import Catalog
internal import Glibc
public import SystemPackage

/// What differs between two revisions of a repository.
public struct PathDifference: Sendable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case added, removed, modified
    }

    /// What of an entry has changed.
    public enum Aspect: String, Sendable, Hashable, CaseIterable {
        case type, permissions, owner, time, size, content, target, xattrs, links, device, flags
    }

    public let kind: Kind
    public let path: RepositoryPath
    /// The entry as it was; `nil` when it was not there.
    public let old: CatalogEntry?
    /// The entry as it is; `nil` when it is there no more.
    public let new: CatalogEntry?
    /// Of a modified entry, in the order of the cases.
    public let changes: [Aspect]
}

/// Compares two revisions in a storage, and reads of both only the catalogs that are not the same.
///
/// ```swift
/// let diff = RepositoryDiff(of: "demo.example.org", storage: "/srv/cvmfs/demo.example.org")
/// try await diff.run(from: "trunk-previous", to: "trunk") { print($0.kind, $0.path) }
/// ```
public struct RepositoryDiff: Sendable {
    public let repository: String
    /// The repository's own folder, which holds `.cvmfspublished`.
    public let storage: FilePath

    public init(of repository: String, storage: FilePath) {
        self.repository = repository
        self.storage = storage
    }

    /// Gives out what differs, as it is found: in the order of a depth-first walk, names sorted by bytes; a directory
    /// before what is in it.
    ///
    /// - Parameters:
    ///   - old: a tag, a revision's number, or a root catalog's hash; `trunk` is the newest revision.
    ///   - new: likewise.
    ///   - body: called on a thread that may block; what it throws ends the comparison.
    /// - Throws: `PublishingError`: `noSuchEntry`; `corrupt` when a catalog is missing or damaged.
    public func run(
        from old: String, to new: String, _ body: @escaping @Sendable (PathDifference) throws -> Void
    ) async throws {
        do {
            try await BlockingPool.shared.run { try compare(old, new, body) }
        } catch let error as CatalogError {
            throw PublishingError(error, "the catalogs of \(repository) cannot be read")
        }
    }

    private func compare(
        _ old: String, _ new: String, _ body: @escaping (PathDifference) throws -> Void
    ) throws {
        let stored = try StoredRepository(repository, at: storage)
        let roots = (try stored.root(named: old), try stored.root(named: new))
        guard roots.0 != roots.1 else { return }
        let scratch = try ReadingScratch()
        let open = { (hash: ContentHash) in
            try CatalogFile.open(ObjectID(hash, kind: .catalog), in: stored.storage, scratch: scratch.path)
        }
        var comparison = TreeComparison(old: try open(roots.0), new: try open(roots.1), open: open, report: body)
        try comparison.run()
    }
}

/// Two trees of catalogs, walked side by side. It recurses by a stack of its own, since depth is the catalogs' to say.
private struct TreeComparison {
    /// One side of a directory that both or one of them has.
    private struct Side {
        let catalog: FileCatalog
        var cursor: NameOrderedCursor
        var next: CatalogEntry?

        init(_ catalog: FileCatalog, _ path: RepositoryPath) throws {
            self.catalog = catalog
            cursor = try catalog.entriesByName(in: path, includingHidden: true)
            next = try cursor.next()
        }

        /// Takes the next entry if it has this name.
        mutating func take(_ name: FileName) throws -> CatalogEntry? {
            guard let entry = next, entry.name == name else { return nil }
            next = try cursor.next()
            return entry
        }
    }

    private struct Frame {
        let path: RepositoryPath
        var old: Side?
        var new: Side?
    }

    let old: FileCatalog
    let new: FileCatalog
    let open: (ContentHash) throws -> FileCatalog
    let report: (PathDifference) throws -> Void
    private var stack: [Frame] = []

    init(
        old: FileCatalog, new: FileCatalog, open: @escaping (ContentHash) throws -> FileCatalog,
        report: @escaping (PathDifference) throws -> Void
    ) {
        self.old = old
        self.new = new
        self.open = open
        self.report = report
    }

    mutating func run() throws {
        try compare(.root, try old.rootEntry(), old, try new.rootEntry(), new)
        stack = [Frame(path: .root, old: try Side(old, .root), new: try Side(new, .root))]
        while var frame = stack.popLast() {
            try Task.checkCancellation()
            let names = [frame.old?.next?.name, frame.new?.next?.name].compactMap(\.self)
            guard let name = names.min(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) else { continue }
            let (left, right) = (try frame.old?.take(name), try frame.new?.take(name))
            let path = frame.path.appending(name)
            guard path.bytes.count <= CompositionLimits.pathBytes else {
                throw PublishingError(
                    .corrupt, "a path of \(path.bytes.count) bytes: the catalogs are not to be trusted")
            }
            stack.append(frame)
            try compare(path, left ?? nil, frame.old?.catalog, right ?? nil, frame.new?.catalog)
            try descend(path, left ?? nil, frame.old?.catalog, right ?? nil, frame.new?.catalog)
        }
    }

    /// Goes into a directory, unless both have the same catalog there.
    private mutating func descend(
        _ path: RepositoryPath, _ left: CatalogEntry?, _ oldCatalog: FileCatalog?, _ right: CatalogEntry?,
        _ newCatalog: FileCatalog?
    ) throws {
        let below = (nested(path, left, oldCatalog), nested(path, right, newCatalog))
        let nestedPair = (try below.0.get(), try below.1.get())
        if let one = nestedPair.0, let other = nestedPair.1, one.hash == other.hash { return }
        let frame = Frame(
            path: path, old: try side(path, left, oldCatalog, nestedPair.0),
            new: try side(path, right, newCatalog, nestedPair.1))
        if frame.old != nil || frame.new != nil { stack.append(frame) }
    }

    private func nested(
        _ path: RepositoryPath, _ entry: CatalogEntry?, _ catalog: FileCatalog?
    ) -> Result<NestedCatalog?, any Error> {
        Result {
            guard let entry, let catalog, entry.isNestedMountpoint || entry.isBindMountpoint else { return nil }
            guard let nested = try catalog.nestedCatalog(at: path) else {
                throw PublishingError(.corrupt, "the nested catalog at \(path) has no row")
            }
            return nested
        }
    }

    private func side(
        _ path: RepositoryPath, _ entry: CatalogEntry?, _ catalog: FileCatalog?, _ nested: NestedCatalog?
    ) throws -> Side? {
        guard let entry, let catalog, entry.isDirectory else { return nil }
        guard let nested else { return try Side(catalog, path) }
        // What a bind mountpoint shows is another revision.
        return nested.isBindMountpoint ? nil : try Side(open(nested.hash), path)
    }

    private func compare(
        _ path: RepositoryPath, _ left: CatalogEntry?, _ oldCatalog: FileCatalog?, _ right: CatalogEntry?,
        _ newCatalog: FileCatalog?
    ) throws {
        guard let left, let oldCatalog else {
            if let right {
                try report(PathDifference(kind: .added, path: path, old: nil, new: right, changes: []))
            }
            return
        }
        guard let right, let newCatalog else {
            return try report(PathDifference(kind: .removed, path: path, old: left, new: nil, changes: []))
        }
        let changes = try EntryComparison(old: left, new: right, oldCatalog, newCatalog).changes()
        if !changes.isEmpty {
            try report(PathDifference(kind: .modified, path: path, old: left, new: right, changes: changes))
        }
    }
}
