public import CASCore
public import Catalog
internal import Logging

/// An immutable view of one root hash: it never changes under its user, whatever the repository does.
///
/// Paths are literal: no symlink on the way is followed (`Image` does that).
public final class Snapshot: Sendable {
    /// The repository's name (fqrn).
    public let repository: String
    public let rootHash: ContentHash
    /// The tag by which the snapshot was chosen, if by one.
    public let tag: String?
    package let tree: CatalogTree
    package let fetcher: ObjectFetcher
    let entries: EntryCache
    private let variables: SymlinkVariables

    init(
        repository: String, root: CatalogTree.Mounted, tag: String?, fetcher: ObjectFetcher, options: RepositoryOptions
    ) {
        self.repository = repository
        rootHash = root.hash
        self.tag = tag
        self.fetcher = fetcher
        tree = CatalogTree(root: root, fetcher: fetcher, capacity: options.loadedCatalogs)
        entries = EntryCache(capacity: options.cachedEntries)
        variables = options.symlinkVariables.adding(fqrn: repository)
    }

    /// The root catalog's revision.
    public var revision: UInt64 { tree.root.catalog.properties.revision }

    /// When the root catalog was finished, in seconds since 1970; `nil` when it does not say.
    public var lastModified: Int64? { tree.root.catalog.properties.lastModified }

    /// Bytes of the root catalog's uncompressed file.
    public var rootCatalogSize: Int64 { tree.root.size }

    /// Seconds for which this snapshot may be taken for the newest.
    public var timeToLive: Int64 { tree.root.timeToLive }

    /// Counters of the whole tree, as the root catalog keeps them.
    public var statistics: CatalogStatistics {
        get throws { try reading("the statistics") { () throws(CatalogError) in try tree.root.catalog.statistics() } }
    }

    // MARK: Lookup

    /// What is at a path without waiting for the network.
    public enum LocalLookup: Sendable {
        case entry(Entry)
        case absent
        /// A catalog on the way is not loaded: ask `entry(at:)`.
        case unknown
    }

    /// The entry at a path, if the catalogs loaded so far can tell. Blocks for a local disk at most.
    public func cachedEntry(at path: RepositoryPath) throws -> LocalLookup {
        let key = EntryCache.Key(path)
        if let answer = entries[key] {
            return switch answer {
            case .entry(let entry): .entry(entry)
            case .absent: .absent
            }
        }
        switch try reading("\(path)", { () throws(CatalogError) in try tree.lookUp(path) }) {
        case .found(let attributes, _): return .entry(remember(attributes, at: key))
        case .absent:
            entries.remember(nil, at: key)
            return .absent
        case .needs: return .unknown
        }
    }

    /// The entry at a path, or `nil` when there is none.
    public func entryIfPresent(at path: RepositoryPath) async throws -> Entry? {
        let key = EntryCache.Key(path)
        if let answer = entries[key] {
            return switch answer {
            case .entry(let entry): entry
            case .absent: nil
            }
        }
        guard path.bytes.count <= CompositionLimits.pathBytes else { return nil }
        while true {
            let answer = try await BlockingPool.shared.run { [self] in
                try reading("\(path)") { () throws(CatalogError) in try tree.lookUp(path) }
            }
            switch answer {
            case .found(let attributes, _): return remember(attributes, at: key)
            case .absent:
                entries.remember(nil, at: key)
                return nil
            case .needs(let nested): _ = try await tree.load(nested)
            }
        }
    }

    /// The entry at a path.
    ///
    /// - Throws: `CVMFSError` with `.noSuchEntry` when there is none, `.unreachable`, `.corrupt`.
    public func entry(at path: RepositoryPath) async throws -> Entry {
        guard let entry = try await entryIfPresent(at: path) else {
            throw CVMFSError(.noSuchEntry, "\(path) does not exist in \(repository) at \(rootHash)")
        }
        return entry
    }

    /// A symlink's target, with variables expanded.
    public func readlink(_ path: RepositoryPath) async throws -> [UInt8] {
        let entry = try await entry(at: path)
        guard entry.kind == .symlink else {
            throw CVMFSError(.invalidArgument, "\(path) is no symlink but a \(entry.kind)")
        }
        return target(of: entry)
    }

    /// A symlink's target, with variables expanded; nothing for other entries. Source: format 3, symlink.
    public func target(of entry: Entry) -> [UInt8] { variables.expand(entry.attributes.target) }

    /// A target as a catalog has it, with variables expanded.
    package func expand(_ target: [UInt8]) -> [UInt8] { variables.expand(target) }

    /// The extended attributes of an entry, sorted by name.
    public func xattrs(of entry: Entry) async throws -> ExtendedAttributes {
        guard entry.hasXattrs else { return ExtendedAttributes() }
        return try await inCatalog(of: entry) { catalog throws(CatalogError) in
            try catalog.xattrs(of: entry.attributes)
        }
    }

    /// The chunks of a chunked file in their order; none for any other entry.
    public func chunks(of entry: Entry) async throws -> [FileChunk] {
        guard entry.isChunked else { return [] }
        return try await inCatalog(of: entry) { catalog throws(CatalogError) in
            try catalog.chunks(of: entry.attributes)
        }
    }

    /// The nested catalog that is mounted at an entry, if one is.
    public func nestedCatalog(at entry: Entry) async throws -> NestedCatalog? {
        guard entry.isNestedMountpoint || entry.isBindMountpoint else { return nil }
        return try await inCatalog(of: entry) { catalog throws(CatalogError) in
            try catalog.nestedCatalog(at: entry.path)
        }
    }

    // MARK: Parts

    /// A file, ready to be read; nothing of its content is fetched yet.
    ///
    /// - Throws: `CVMFSError` with `.noSuchEntry`, `.isADirectory`, `.notAFile` (symlinks too: see `Image.open`).
    public func file(_ path: RepositoryPath) async throws -> File { try await file(entry(at: path)) }

    /// The file of an entry of this snapshot.
    public func file(_ entry: Entry) async throws -> File {
        try checkIsFile(entry)
        return File(
            entry: entry, parts: try FilePart.parts(of: entry, chunks: await chunks(of: entry)), fetcher: fetcher)
    }

    /// The file of an entry, if its chunks can be told without the network. Blocks for a local disk at most.
    func cachedFile(_ entry: Entry) throws -> File? {
        try checkIsFile(entry)
        var chunks: [FileChunk] = []
        if entry.isChunked {
            let found = try reading("\(entry.path)") { () throws(CatalogError) -> [FileChunk]? in
                guard case .loaded(let mounted) = try tree.holder(ofChildrenIn: entry.path.parent ?? .root) else {
                    return nil
                }
                return try mounted.catalog.chunks(of: entry.attributes)
            }
            guard let found else { return nil }
            chunks = found
        }
        return File(entry: entry, parts: try FilePart.parts(of: entry, chunks: chunks), fetcher: fetcher)
    }

    private func checkIsFile(_ entry: Entry) throws {
        switch entry.kind {
        case .file: break
        case .directory: throw CVMFSError(.isADirectory, "\(entry.path) is a directory")
        default: throw CVMFSError(.notAFile, "\(entry.path) is no regular file but a \(entry.kind)")
        }
    }

    /// A subtree as a root of its own, in which paths and symlinks resolve.
    public func image(at path: RepositoryPath = .root) async throws -> Image {
        let entry = try await entry(at: path)
        guard entry.kind == .directory else {
            throw CVMFSError(.notADirectory, "\(path) is no directory but a \(entry.kind)")
        }
        return Image(snapshot: self, root: path)
    }

    /// The entries of a directory, sorted by the bytes of their names, without hidden ones.
    public func list(_ path: RepositoryPath) -> DirectoryListing { DirectoryListing(snapshot: self, path: path) }

    /// Everything from a path on, depth first, names sorted by bytes, a directory before what is in it.
    public func walk(_ path: RepositoryPath = .root) -> Walk { Walk(snapshot: self, start: path) }
}
