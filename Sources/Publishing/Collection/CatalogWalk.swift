internal import CASCore
internal import Catalog
internal import Synchronization
internal import SystemPackage

/// Reads root catalogs and all nested ones, each once, several at a time, and gives out what they reference. Source:
/// format 4.3.
final class CatalogWalk: Sendable {
    private let storage: LocalStorage
    private let folder: FilePath
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var seen: Set<ContentHash> = []
    }

    /// A catalog that was read.
    struct Visited: Sendable {
        let hash: ContentHash
        /// Bytes of the path where it is mounted: a nested one has more than that in which it is.
        let depth: Int
        let isRoot: Bool
    }

    /// - Parameter folder: for unpacked catalogs.
    init(_ storage: LocalStorage, scratch folder: FilePath) {
        self.storage = storage
        self.folder = folder
        state = Mutex(State())
    }

    /// How many catalogs were seen.
    var count: Int { state.withLock { $0.seen.count } }

    func hasSeen(_ catalog: ContentHash) -> Bool { state.withLock { $0.seen.contains(catalog) } }

    /// Walks from some roots.
    ///
    /// - Parameters:
    ///   - skipping: catalogs that are passed over with all below them.
    ///   - toleratesAbsence: whether a catalog that is not there is passed over; otherwise it is an error.
    ///   - visit: takes a catalog that was read; its objects came before.
    ///   - add: takes an object that it references, and how large its content is.
    func run(
        _ roots: [ContentHash], skipping: @escaping @Sendable (ContentHash) -> Bool = { _ in false },
        toleratesAbsence: Bool, visit: @escaping @Sendable (Visited) throws -> Void = { _ in },
        add: @escaping @Sendable (ObjectID, Int64) throws -> Void
    ) async throws {
        var waiting = roots.map { ($0, true) }
        try await withThrowingTaskGroup(of: [ContentHash].self) { group in
            var running = 0
            while true {
                while running < Self.parallelCatalogs, let (hash, isRoot) = waiting.popLast() {
                    guard !skipping(hash), state.withLock({ $0.seen.insert(hash).inserted }) else { continue }
                    running += 1
                    group.addTask { [self] in
                        try await BlockingPool.shared.run {
                            try self.read(hash, isRoot: isRoot, toleratesAbsence, visit, add)
                        }
                    }
                }
                guard running > 0, let nested = try await group.next() else { return }
                running -= 1
                waiting += nested.map { ($0, false) }
            }
        }
    }

    /// Two for each core of a small machine: one reads while another computes.
    private static let parallelCatalogs = 4

    private func read(
        _ hash: ContentHash, isRoot: Bool, _ toleratesAbsence: Bool, _ visit: (Visited) throws -> Void,
        _ add: (ObjectID, Int64) throws -> Void
    ) throws -> [ContentHash] {
        let object = ObjectID(hash, kind: .catalog)
        if toleratesAbsence, try !storage.contains(object) { return [] }
        let catalog = try CatalogFile.open(object, in: storage, scratch: folder)
        var rows = catalog.rows()
        while let row = try rows.next() {
            let entry = row.entry
            guard !entry.isExternal else { continue }
            if let object = entry.object { try add(object, entry.size) }
            if entry.isChunked { for chunk in try catalog.chunks(of: entry) { try add(chunk.object, chunk.size) } }
        }
        try visit(Visited(hash: hash, depth: catalog.rootPrefix.bytes.count, isRoot: isRoot))
        return try catalog.nestedCatalogs().filter { !$0.isBindMountpoint }.map(\.hash)
    }
}

/// A catalog of a storage, unpacked for as long as it is open.
enum CatalogFile {
    static func open(_ object: ObjectID, in storage: LocalStorage, scratch folder: FilePath) throws -> FileCatalog {
        try storage.withUnpacked(object, scratch: folder, limit: PublishingLimits.catalogBytes) {
            try FileCatalog(at: $0)
        }
    }
}
