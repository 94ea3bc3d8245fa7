import CASCore
import CPeer
import CVMFS
import SystemPackage

/// Opening a repository and the first lookup in it, cold, large beside small: what is not touched must not cost.
struct OpenFigures {
    private struct Sample {
        var seconds: Double
        var requests: Int
        var bytes: Int64
        /// Stored bytes of the catalogs that the lookup touches.
        var catalogBytes: Int64
    }

    private static let rounds = 9

    let setting: BenchmarkSetting

    func measured() async throws -> [Figure] {
        var large: [Sample] = []
        var small: [Sample] = []
        for _ in 0..<Self.rounds {
            large.append(try await sample("million", "/c123/d007"))
            small.append(try await sample("small", "/c000/d007"))
        }
        let (first, other) = (large[0], small[0])
        // Manifest, whitelist and certificate take some kilobytes in both.
        let besideCatalogs = first.bytes - first.catalogBytes
        let otherBesideCatalogs = other.bytes - other.catalogBytes
        return [
            Figure(
                name: "Open 1 M entries and look up: requests", ours: "\(first.requests)",
                peer: "\(other.requests) with 1000 entries", ratio: Double(first.requests) / Double(other.requests),
                target: .atMost(1)),
            Figure(
                name: "  bytes beside the two catalogs touched", ours: "\(besideCatalogs) of \(first.bytes)",
                peer: "\(otherBesideCatalogs) of \(other.bytes)",
                ratio: Double(besideCatalogs) / Double(otherBesideCatalogs), target: .atMost(1.05)),
            Figure(
                name: "  time", ours: time(median(large.map(\.seconds))), peer: time(median(small.map(\.seconds))),
                ratio: median(zip(large, small).map { $0.seconds / $1.seconds }), target: .none),
        ]
    }

    private func sample(_ name: String, _ path: RepositoryPath) async throws -> Sample {
        let scratch = try ScratchFolder()
        let store = try DiskStore(at: FilePath(scratch.path), limit: .gibibytes(1))
        let watch = Stopwatch()
        let repository = try await setting.open(name, cache: store)
        let snapshot = try await repository.snapshot()
        _ = try await snapshot.entry(at: path)
        let time = watch.seconds
        let totals = repository.totals
        guard let top = path.components.first,
            let nested = try await snapshot.nestedCatalog(at: snapshot.entry(at: RepositoryPath.root.appending(top)))
        else { throw BenchmarkError("\(path) lies in no nested catalog") }
        let objects = [ObjectID(snapshot.rootHash, kind: .catalog), nested.object]
        let stored = objects.map { peer_stored_bytes(setting.url(of: name), $0.serverPath) }
        guard stored.allSatisfy({ $0 > 0 }) else { throw BenchmarkError("the catalogs cannot be fetched") }
        return Sample(
            seconds: time, requests: totals.requests, bytes: totals.bytes, catalogBytes: stored.reduce(0, +))
    }
}
