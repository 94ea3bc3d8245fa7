internal import CASCore
internal import CVMFS
internal import Catalog
internal import Synchronization
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Checks catalogs and all that are nested in them, each once, several at a time: what each holds, and how they fit
/// together. Source: format 4.5.
final class CatalogsCheck: Sendable {
    /// Where a catalog is mounted.
    struct Mount: Sendable {
        let path: RepositoryPath
        /// As the parent, the manifest or a tag says; `nil` where it does not.
        let size: Int64?
        /// The parent's entry; `nil` of a root.
        let entry: CatalogEntry?
    }

    /// What is kept of a catalog that was read.
    private struct Known {
        let rootPrefix: RepositoryPath
        let fileBytes: Int64
        let root: CatalogEntry?
        let own: CatalogStatistics.Counters
        let subtree: CatalogStatistics.Counters
        let keepsCounters: Bool
        let nested: [ContentHash]
        let hasMarker: Bool
    }

    private struct State {
        var known: [ContentHash: Known?] = [:]
        var mounts: [ContentHash: [Mount]] = [:]
        var defects: [CheckDefect] = []
        var entries = 0
    }

    private let storage: LocalStorage
    private let scratch: FilePath
    private let state = Mutex(State())
    /// Takes what entries need.
    private let add: @Sendable (CatalogCheck.Reference) -> Void

    init(_ storage: LocalStorage, scratch: FilePath, add: @escaping @Sendable (CatalogCheck.Reference) -> Void) {
        self.storage = storage
        self.scratch = scratch
        self.add = add
    }

    var progress: (catalogs: Int, entries: Int) { state.withLock { ($0.known.count, $0.entries) } }

    /// Every catalog that was found, there or not.
    var catalogs: [ContentHash] { state.withLock { Array($0.known.keys) } }

    /// Reads catalogs from some roots.
    func run(_ roots: [(hash: ContentHash, size: Int64?)]) async throws {
        var waiting = roots.map { ($0.hash, Mount(path: .root, size: $0.size, entry: nil)) }
        try await withThrowingTaskGroup(of: [(ContentHash, Mount)].self) { group in
            var running = 0
            while true {
                while running < CheckLimits.parallelCatalogs, let (hash, mount) = waiting.popLast() {
                    let isNew = state.withLock { state in
                        state.mounts[hash, default: []].append(mount)
                        guard state.known[hash] == nil else { return false }
                        state.known[hash] = .some(nil)
                        return true
                    }
                    guard isNew else { continue }
                    running += 1
                    group.addTask(executorPreference: BlockingPool.shared) { [self] in try read(hash, at: mount.path) }
                }
                guard running > 0, let nested = try await group.next() else { return }
                running -= 1
                waiting += nested
            }
        }
    }

    /// What is wrong, after all catalogs were read.
    func finish() -> [CheckDefect] {
        let state = state.withLock { $0 }
        var defects = state.defects
        var totals: [ContentHash: CatalogStatistics.Counters?] = [:]
        // Deeper ones first, so that what they hold in sum is known. A catalog in itself would be a hash of itself.
        let ordered = state.known.compactMap { hash, known in known.flatMap { $0 }.map { (hash, $0) } }
            .sorted { $0.1.rootPrefix.bytes.count > $1.1.rootPrefix.bytes.count }
        for (hash, known) in ordered {
            var sum: CatalogStatistics.Counters? = CatalogStatistics.Counters()
            for nested in known.nested {
                if let total = totals[nested] ?? nil, let so = sum { sum = so + total } else { sum = nil }
            }
            if let sum, known.keepsCounters {
                for (name, counter) in CatalogStatistics.Counters.names
                where known.subtree[keyPath: counter] != sum[keyPath: counter] {
                    defects.append(
                        CheckDefect(
                            .wrongCounter, known.rootPrefix, ObjectID(hash, kind: .catalog),
                            "subtree_\(name) is \(known.subtree[keyPath: counter]), but there are \(sum[keyPath: counter])"
                        ))
                }
            }
            totals[hash] = .some(sum.map { $0 + known.own })
            for mount in state.mounts[hash] ?? [] { defects += Self.compare(known, hash, mount) }
        }
        return defects
    }

    private static func compare(_ known: Known, _ hash: ContentHash, _ mount: Mount) -> [CheckDefect] {
        var defects: [CheckDefect] = []
        func add(_ kind: CheckDefect.Kind, _ detail: String) {
            defects.append(CheckDefect(kind, mount.path, ObjectID(hash, kind: .catalog), detail))
        }
        if known.rootPrefix != mount.path { add(.nestedMismatch, "the catalog was made for \(known.rootPrefix)") }
        if let size = mount.size, size > 0, size != known.fileBytes {
            add(.nestedMismatch, "the catalog has \(known.fileBytes) bytes, and should have \(size)")
        }
        guard let entry = mount.entry else {
            if known.hasMarker {
                add(.misplacedMarker, "the root of the repository has the marker of a nested catalog")
            }
            return defects
        }
        if !known.hasMarker { add(.misplacedMarker, "the nested catalog has no .cvmfscatalog") }
        guard let root = known.root else { return defects }
        if root.mode != entry.mode || root.uid != entry.uid || root.gid != entry.gid || root.mtime != entry.mtime
            || root.mtimeNanoseconds != entry.mtimeNanoseconds || root.linkCount != entry.linkCount
            || !root.isNestedRoot
        {
            add(.nestedMismatch, "the root of the nested catalog differs from its mountpoint")
        }
        return defects
    }

    // MARK: One catalog

    private func read(_ hash: ContentHash, at path: RepositoryPath) throws -> [(ContentHash, Mount)] {
        let object = ObjectID(hash, kind: .catalog)
        do {
            return try readAnew(object)
        } catch let error as PublishingError where error.code == .corrupt {
            let isMissing = try !storage.contains(object)
            report(CheckDefect(isMissing ? .missingObject : .corruptObject, path, object, "the catalog: \(error)"))
        } catch let error as CatalogError where error.isBadData {
            report(CheckDefect(.malformedCatalog, path, object, "\(error)"))
        }
        return []
    }

    private func readAnew(_ object: ObjectID) throws -> [(ContentHash, Mount)] {
        var status = stat()
        let limit = PublishingLimits.catalogBytes
        let catalog = try storage.withUnpacked(object, scratch: scratch, limit: limit) { file in
            guard file.withPlatformString({ stat($0, &status) }) == 0 else {
                throw PublishingError(.storage, "\(file) has vanished", cause: Errno(rawValue: errno))
            }
            return try FileCatalog(at: file)
        }
        var check = CatalogCheck(catalog)
        while let references = try check.step() {
            try Task.checkCancellation()
            for reference in references { add(reference) }
        }
        try check.finish(subtree: nil)
        let statistics = try catalog.statistics()
        let nested = try catalog.nestedCatalogs().filter { !$0.isBindMountpoint }
        let marker = catalog.rootPrefix.appending(NestedMarker.name)
        let known = Known(
            rootPrefix: catalog.rootPrefix, fileBytes: Int64(status.st_size), root: try catalog.rootEntry(),
            own: check.counters, subtree: statistics.subtree, keepsCounters: statistics.missing.isEmpty,
            nested: nested.map(\.hash), hasMarker: check.markers.contains(marker))
        let (defects, entries, markers) = (check.defects, check.entries, check.markers)
        state.withLock { state in
            state.known[object.hash] = known
            state.entries += entries
            state.defects += defects.map(CheckDefect.init)
            for place in markers where place != marker {
                state.defects.append(
                    CheckDefect(.misplacedMarker, place, nil, "a marker where no nested catalog begins"))
            }
        }
        return nested.map { ($0.hash, Mount(path: $0.path, size: $0.size, entry: check.mountpoints[$0.path])) }
    }

    private func report(_ defect: CheckDefect) { state.withLock { $0.defects.append(defect) } }
}
