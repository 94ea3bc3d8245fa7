import CASCore
import CPeer
import CVMFS
import Catalog
import SystemPackage

/// Lookups that need no network.
struct LookupFigures {
    private static let entries = 5000
    private static let hotPaths = 4096

    let setting: BenchmarkSetting

    func measured() async throws -> [Figure] {
        let scratch = try ScratchFolder()
        let store = try DiskStore(at: FilePath(scratch.path), limit: .gibibytes(1))
        var figures = ProfileJob.wanted == nil ? [try await hot(store)] : []
        figures += try await missing(store)
        return figures
    }

    /// Entries that the snapshot remembers. There is no peer but the demand: 1 us.
    private func hot(_ store: DiskStore) async throws -> Figure {
        let snapshot = try await setting.open("million", cache: store).snapshot()
        let paths = try await files(of: snapshot, Self.hotPaths)
        for path in paths { _ = try await snapshot.entry(at: path) }
        // A caller has made the path anew; comparing it with itself would be no comparison.
        let again = paths.map { RepositoryPath(bytes: Array($0.bytes)) }
        var samples: [Double] = []
        for _ in 0..<15 {
            let time = try seconds {
                for _ in 0..<50 {
                    for path in again {
                        guard case .entry = try snapshot.cachedEntry(at: path) else {
                            throw BenchmarkError("\(path) is not cached")
                        }
                    }
                }
            }
            samples.append(time / Double(50 * paths.count))
        }
        let one = median(samples)
        return Figure(
            name: "Lookup of a cached entry", ours: "\(time(one)), \(decimals(1e-6 / one)) M/s", peer: "1.00 M/s",
            ratio: 1e-6 / one, target: .atLeast(1))
    }

    /// Entries that nobody remembers, out of the catalog, beside the same query on the same file by hand.
    private func missing(_ store: DiskStore) async throws -> [Figure] {
        var options = RepositoryOptions()
        // Fewer than there are paths, which come in the same order again and again: none is still there.
        options.cachedEntries = 512
        let snapshot = try await setting.open("million", cache: store, options: options).snapshot()
        // Made anew, so that they lie in memory in the order of their use, as the keys of the bare query do.
        let paths = try await files(of: snapshot, Self.entries).shuffled().map {
            RepositoryPath(bytes: Array($0.bytes))
        }
        guard let nested = try await snapshot.nestedCatalog(at: snapshot.entry(at: "/c000")),
            let object = try store.cached(nested.object)
        else { throw BenchmarkError("the catalog is not cached") }
        let catalog = try FileCatalog(object, mountedAt: "/c000")
        return try object.withDescriptor { descriptor in
            guard let peer = peer_catalog_open("/proc/self/fd/\(descriptor.rawValue)") else {
                throw BenchmarkError("SQLite does not open the catalog")
            }
            defer { peer_catalog_close(peer) }
            let query = PeerQuery(peer, paths)
            if let job = ProfileJob.wanted {
                try job.run(
                    calls: paths.count,
                    [
                        "snapshot": { for path in paths { _ = try snapshot.cachedEntry(at: path) } },
                        "catalog": { for path in paths { _ = try catalog.entry(at: path) } },
                        "query": { _ = try query.duration() },
                    ])
            }
            let whole = try compared(rounds: 31) {
                try seconds {
                    for path in paths {
                        guard case .entry = try snapshot.cachedEntry(at: path) else {
                            throw BenchmarkError("\(path) is not there")
                        }
                    }
                }
            } _: {
                try query.duration()
            }
            let bare = try compared(rounds: 31) {
                try seconds {
                    for path in paths where try catalog.entry(at: path) == nil {
                        throw BenchmarkError("\(path) is not there")
                    }
                }
            } _: {
                try query.duration()
            }
            let withMD5 = try compared(rounds: 31) {
                try query.durationFromPaths()
            } _: {
                try query.duration()
            }
            let count = Double(paths.count)
            return [
                Figure(
                    name: "Lookup in the catalog, Snapshot", ours: time(whole.ours / count),
                    peer: "\(time(whole.peer / count)) SQLite", ratio: whole.ratio, target: .atMost(1.5)),
                Figure(
                    name: "  FileCatalog alone", ours: time(bare.ours / count),
                    peer: "\(time(bare.peer / count)) SQLite", ratio: bare.ratio, target: .none),
                Figure(
                    name: "  the query in C with the path's MD5 before it", ours: time(withMD5.ours / count),
                    peer: "\(time(withMD5.peer / count)) SQLite", ratio: withMD5.ratio, target: .none),
            ]
        }
    }

    private func files(of snapshot: Snapshot, _ limit: Int) async throws -> [RepositoryPath] {
        var paths: [RepositoryPath] = []
        for try await entry in snapshot.walk("/c000") where entry.kind == .file {
            paths.append(entry.path)
            if paths.count == limit { break }
        }
        return paths
    }
}

/// The keys and paths in the form in which C takes them.
private struct PeerQuery {
    private let catalog: OpaquePointer
    private let first: [Int64]
    private let second: [Int64]
    private let text: [CChar]
    private let offsets: [UInt32]

    init(_ catalog: OpaquePointer, _ paths: [RepositoryPath]) {
        self.catalog = catalog
        let keys = paths.map(\.key)
        first = keys.map(\.first)
        second = keys.map(\.second)
        text = paths.flatMap { $0.bytes.map { CChar(bitPattern: $0) } }
        offsets = paths.reduce(into: [0]) { $0.append(($0.last ?? 0) + UInt32($1.bytes.count)) }
    }

    func duration() throws -> Double {
        try seconds {
            guard peer_catalog_find_all(catalog, first, second, first.count) == first.count else {
                throw BenchmarkError("SQLite does not find all entries")
            }
        }
    }

    func durationFromPaths() throws -> Double {
        try seconds {
            guard peer_catalog_find_paths(catalog, text, offsets, first.count) == first.count else {
                throw BenchmarkError("SQLite does not find all entries")
            }
        }
    }
}
