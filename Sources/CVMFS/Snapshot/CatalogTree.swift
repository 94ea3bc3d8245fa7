package import CASCore
package import Catalog
internal import Signing
internal import Synchronization

/// The catalogs of one root hash, loaded as paths need them.
///
/// Lookups in what is loaded are synchronous; only a catalog that is missing makes one wait. Loaded catalogs are
/// bounded: the least recently used ones are let go, and stay in the cache on disk.
package final class CatalogTree: Sendable {
    /// A catalog and the place where it is mounted.
    package final class Mounted: Sendable {
        package let catalog: FileCatalog
        package let path: RepositoryPath
        package let hash: ContentHash
        /// Bytes of the uncompressed file.
        package let size: Int64
        fileprivate let lastUse = Atomic<UInt64>(0)

        package init(catalog: FileCatalog, path: RepositoryPath, hash: ContentHash, size: Int64) {
            self.catalog = catalog
            self.path = path
            self.hash = hash
            self.size = size
        }

        /// Seconds; of a root catalog. Source: format 3, properties.
        var timeToLive: Int64 {
            Int64(clamping: catalog.properties.ttl ?? UInt64(Manifest.defaultTTL))
        }
    }

    package enum Answer {
        /// The entry, and the catalog that has its row.
        case found(CatalogEntry, Mounted)
        case absent
        /// The path lies in a catalog that is not loaded.
        case needs(Missing)
    }

    /// Where the children of a directory are.
    package enum Holder {
        case loaded(Mounted)
        /// Load this one, which is on the way.
        case missing(Missing)
    }

    /// A catalog that is not loaded, and the one that names it.
    package struct Missing: Sendable {
        package let nested: NestedCatalog
        fileprivate let parent: Mounted

        /// Where its root must say that it belongs: below a bind mountpoint that is not where it is mounted.
        ///
        /// Source: format 3, bind mountpoints.
        fileprivate var prefix: RepositoryPath {
            guard !nested.isBindMountpoint else { return .root }
            return nested.path.relative(to: parent.path).map { parent.catalog.rootPrefix.appending($0) } ?? nested.path
        }
    }

    package let root: Mounted
    private let fetcher: ObjectFetcher
    private let capacity: Int
    private let nested = Mutex(MountedCatalogs())
    /// The time by which the least recently used are told: it passes when a catalog is loaded.
    private let clock = Atomic<UInt64>(0)

    /// - Parameter capacity: nested catalogs loaded at once, at most.
    init(root: Mounted, fetcher: ObjectFetcher, capacity: Int) {
        self.root = root
        self.fetcher = fetcher
        self.capacity = max(1, capacity)
    }

    /// Looks a path up in the catalogs that are loaded. Reads a local file, and blocks no longer than that.
    package func lookUp(_ path: RepositoryPath) throws(CatalogError) -> Answer {
        // A mountpoint is looked up in the catalog above it, as the reference does.
        var mounted = nearest(to: path, excludingPath: true)
        while true {
            if let entry = try mounted.catalog.entry(at: path) { return .found(entry, mounted) }
            guard let nested = try mounted.catalog.nestedCatalog(containing: path), nested.path != path else {
                return .absent
            }
            guard let next = self.loaded(nested.path), next !== mounted else {
                return .needs(Missing(nested: nested, parent: mounted))
            }
            mounted = next
        }
    }

    /// The catalog that holds a directory's children, or the one to load on the way to it.
    package func holder(ofChildrenIn path: RepositoryPath) throws(CatalogError) -> Holder {
        let mounted = nearest(to: path, excludingPath: false)
        guard let nested = try mounted.catalog.nestedCatalog(containing: path), nested.path != mounted.path else {
            return .loaded(mounted)
        }
        return .missing(Missing(nested: nested, parent: mounted))
    }

    /// Loads a nested catalog, from the cache or from a server, and checks that it belongs where it is mounted.
    @discardableResult
    package func load(_ missing: Missing, priority: FetchPriority = .demand) async throws -> Mounted {
        let nested = missing.nested
        if let mounted = loaded(nested.path) { return mounted }
        let mounted = try await Self.open(
            nested.hash, size: nested.size ?? 0, at: nested.path, madeFor: missing.prefix, fetcher: fetcher,
            priority: priority)
        return insert(mounted)
    }

    /// Opens a catalog that has been mounted there before: that it belongs there was seen then.
    package static func open(
        known hash: ContentHash, size: Int64, at path: RepositoryPath, fetcher: ObjectFetcher
    ) async throws -> Mounted {
        do {
            let object = try await fetcher.object(
                ObjectID(hash, kind: .catalog),
                size: size > 0 ? .exactly(size) : .atMost(CompositionLimits.catalogBytes),
                for: .catalog(path))
            let catalog = try await BlockingPool.shared.run { try open(object, at: path) }
            return Mounted(catalog: catalog, path: path, hash: hash, size: object.size)
        } catch {
            throw CVMFSError.during("cannot load the catalog \(hash) of \(path)", error)
        }
    }

    /// Fetches and opens one catalog.
    ///
    /// - Parameters:
    ///   - size: of the uncompressed file in bytes, where it is known; 0 otherwise.
    ///   - prefix: where its root must say that it belongs; by default, where it is mounted.
    static func open(
        _ hash: ContentHash, size: Int64, at path: RepositoryPath, madeFor prefix: RepositoryPath? = nil,
        fetcher: ObjectFetcher, priority: FetchPriority = .demand, serverPath: String? = nil
    ) async throws -> Mounted {
        let id = ObjectID(hash, kind: .catalog)
        do {
            guard size <= CompositionLimits.catalogBytes else {
                throw CVMFSError(
                    .corrupt,
                    "the catalog of \(path) claims \(size) bytes, above the limit of \(CompositionLimits.catalogBytes)")
            }
            let object = try await fetcher.object(
                id, size: size > 0 ? .exactly(size) : .atMost(CompositionLimits.catalogBytes), for: .catalog(path),
                priority: priority, at: serverPath)
            let catalog = try await BlockingPool.shared.run {
                try open(object, at: path)
            }
            guard catalog.rootPrefix == prefix ?? path else {
                throw CVMFSError(
                    .corrupt,
                    "catalog \(hash) is mounted at \(path), but was made for \(catalog.rootPrefix)")
            }
            return Mounted(catalog: catalog, path: path, hash: hash, size: object.size)
        } catch {
            throw CVMFSError.during("cannot load the catalog \(hash) of \(path)", error)
        }
    }

    /// SQLite jumps about in a catalog: from a disk it is had faster at one go.
    private static func open(_ object: any StoredObject, at path: RepositoryPath) throws -> FileCatalog {
        object.willBeRead(CompositionLimits.catalogReadAhead)
        return try FileCatalog(object, mountedAt: path)
    }

    /// The catalog that is mounted at a path, if it is loaded.
    package func catalog(at path: RepositoryPath) -> Mounted? { path.isRoot ? root : loaded(path) }

    /// Bytes that SQLite holds for the catalogs that are loaded.
    package var memoryUsed: Int {
        nested.withLock { $0.all.reduce(0) { $0 + $1.catalog.memoryUsed } } + root.catalog.memoryUsed
    }

    /// Nested catalogs that are loaded.
    package var loadedCount: Int { nested.withLock { $0.count } }

    private func nearest(to path: RepositoryPath, excludingPath: Bool) -> Mounted {
        let mounted = nested.withLock { $0.nearest(to: path, excludingPath: excludingPath) }
        guard let mounted else { return root }
        let now = clock.load(ordering: .relaxed)
        // Mostly it is so already, and what all threads read stays in all processors' caches.
        if mounted.lastUse.load(ordering: .relaxed) != now { mounted.lastUse.store(now, ordering: .relaxed) }
        return mounted
    }

    private func loaded(_ path: RepositoryPath) -> Mounted? { nested.withLock { $0[path] } }

    private func insert(_ mounted: Mounted) -> Mounted {
        mounted.lastUse.store(clock.wrappingAdd(1, ordering: .relaxed).newValue, ordering: .relaxed)
        return nested.withLock { nested in
            if let other = nested[mounted.path] { return other }
            if nested.count >= capacity {
                // The older half goes at once, so that the sort is paid for by many insertions.
                let byUse = nested.all.sorted {
                    $0.lastUse.load(ordering: .relaxed) < $1.lastUse.load(ordering: .relaxed)
                }
                for victim in byUse.prefix(max(1, capacity / 2)) { nested.remove(victim.path) }
            }
            nested.insert(mounted)
            return mounted
        }
    }
}
