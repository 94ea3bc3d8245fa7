import CASCore
import CPeer
import CVMFS
import Glibc
import Synchronization
import SystemPackage

/// Objects that are not cached: fetched, verified, inflated and stored, beside the same by hand in C.
///
/// Every sample is a process of its own (`ColdJob`), with an empty cache; jobs take turns. On one core, the client is
/// bound to the first one, and the server is left the other. `/image` holds the files of Debian's minimal system;
/// for `/small`, files of 5 KiB, the bound is in microseconds, since by hand all of it takes fewer than 50.
struct ColdFigures {
    private static let rounds = 5

    func measured() throws -> [Figure] {
        var figures: [Figure] = []
        for set in ["image", "small"] {
            let jobs: [ColdJob] = [
                ColdJob(.ours, set, cores: 1), ColdJob(.libdeflate, set, cores: 1), ColdJob(.zlib, set, cores: 1),
                ColdJob(.ours, set, cores: 2),
            ]
            var samples: [[ColdJob.Sample]] = jobs.map { _ in [] }
            for _ in 0..<Self.rounds {
                for index in jobs.indices { samples[index].append(try jobs[index].inProcess()) }
            }
            let (ours, peer, zlib, both) = (samples[0], samples[1], samples[2], samples[3])
            let what = set == "image" ? "image" : "small files"
            let rate = { (samples: [ColdJob.Sample]) in
                let sample = samples[0]
                let seconds = median(samples.map(\.seconds))
                return set == "image"
                    ? "\(decimals(Double(sample.bytes) / seconds / 1e6)) MB/s"
                    : "\(time(seconds / Double(sample.objects))) each"
            }
            let ratio = { (left: [ColdJob.Sample], right: [ColdJob.Sample]) in
                median(zip(left, right).map { $0.seconds / $1.seconds })
            }
            figures += [
                Figure(
                    name: "Cold \(what), one core", ours: rate(ours), peer: "\(rate(peer)) C, libdeflate",
                    ratio: ratio(ours, peer), target: set == "image" ? .atMost(1.25) : .none),
                Figure(
                    name: "  beside the same with zlib", ours: rate(ours), peer: "\(rate(zlib)) C, zlib",
                    ratio: ratio(ours, zlib), target: .none),
            ]
            let objects = Double(ours[0].objects)
            // What is ours: the processor's time of our process, less that of the peer, which makes the same transfers,
            // hashes, inflates and files with the same libraries on the same core.
            let own = median(zip(ours, peer).map { ($0.cpuSeconds - $1.cpuSeconds) / objects })
            figures += [
                Figure(
                    name: "  own CPU for each of \(ours[0].objects) objects", ours: time(own),
                    peer: "\(time(median(peer.map { $0.cpuSeconds / objects }))) C", ratio: own / 40e-6,
                    target: set == "small" ? .atMost(1) : .none),
                Figure(
                    name: "Cold \(what), two cores", ours: rate(both), peer: "\(rate(ours)) one core",
                    ratio: ratio(ours, both), target: set == "small" ? .atLeast(1.4) : .none),
            ]
        }
        return figures
    }
}

/// One way to fetch a set of files, once.
struct ColdJob {
    enum Way: String {
        case ours, libdeflate, zlib
    }

    struct Sample {
        let seconds: Double
        let cpuSeconds: Double
        let objects: Int
        let bytes: Int64
    }

    /// Files asked for at once, as a copy of a subtree does.
    private static let parallel = 16

    let way: Way
    let set: String
    let cores: Int

    init(_ way: Way, _ set: String, cores: Int) {
        self.way = way
        self.set = set
        self.cores = cores
    }

    /// In a process of its own.
    func inProcess() throws -> Sample {
        let numbers = try Child.measure(["cold-job", way.rawValue, set, "\(cores)"])
        guard numbers.count == 4 else { throw BenchmarkError("a job printed \(numbers)") }
        return Sample(
            seconds: numbers[0], cpuSeconds: numbers[1], objects: Int(numbers[2]), bytes: Int64(numbers[3]))
    }

    /// In this process, which has done nothing yet.
    func run(_ setting: BenchmarkSetting) async throws -> Sample {
        if cores == 1, peer_bind_to_core(0) != 0 { throw BenchmarkError("this process cannot be bound to a core") }
        let scratch = try ScratchFolder()
        let store = try DiskStore(at: FilePath(scratch.path).appending("cache"), limit: .gibibytes(4))
        let snapshot = try await setting.open("files", cache: store).snapshot()
        var entries: [Entry] = []
        for try await entry in snapshot.walk(RepositoryPath("/" + set)) where entry.kind == .file {
            entries.append(entry)
        }
        let bytes = entries.reduce(0) { $0 + $1.size }
        let watch: Stopwatch
        switch way {
        case .ours:
            watch = Stopwatch()
            try await load(entries, of: snapshot)
        case .libdeflate, .zlib:
            let folder = "\(scratch.path)/peer"
            mkdir(folder, 0o755)
            for number in 0..<256 {
                let digits = String(number, radix: 16)
                mkdir("\(folder)/\(digits.count < 2 ? "0" : "")\(digits)", 0o755)
            }
            let paths = entries.map { strdup($0.attributes.object?.serverPath ?? "") }
            defer { for path in paths { free(path) } }
            let objects = zip(paths, entries).map { peer_object(path: $0, size: $1.size) }
            watch = Stopwatch()
            let result = peer_fetch(setting.url(of: "files"), objects, objects.count, folder, way == .zlib ? 1 : 0)
            guard result == 0 else { throw BenchmarkError("the peer fails (\(result))") }
        }
        return Sample(
            seconds: watch.seconds, cpuSeconds: watch.cpuSeconds, objects: entries.count, bytes: bytes)
    }

    private func load(_ entries: [Entry], of snapshot: Snapshot) async throws {
        let next = Counter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<Self.parallel {
                // Where a copy's tasks are too.
                group.addTask(executorPreference: BlockingPool.shared) {
                    while true {
                        let index = next.take()
                        guard index < entries.count else { return }
                        try await snapshot.file(entries[index]).load()
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}

/// Deals out numbers from 0 on.
private final class Counter: Sendable {
    private let next = Atomic(0)

    func take() -> Int { next.add(1, ordering: .relaxed).oldValue }
}
