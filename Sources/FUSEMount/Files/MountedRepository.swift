internal import CVMFS
internal import FUSE
internal import Glibc
internal import Synchronization

/// The repository behind a mount, and what the mount tells of it.
final class MountedRepository: Sendable {
    let repository: Repository
    let store: any ObjectStore
    let configuration: MountConfiguration
    let started: ContinuousClock.Instant = .now
    private let failures = Mutex<(count: Int, last: Int)>((0, 0))
    private let statistics = Mutex<(view: UInt32, value: CatalogStatistics)?>(nil)
    private let recent = Mutex<(view: UInt32, time: Int, value: Statistics)?>(nil)

    init(repository: Repository, store: any ObjectStore, configuration: MountConfiguration) {
        self.repository = repository
        self.store = store
        self.configuration = configuration
    }

    func snapshot(root: ContentHash) async throws -> Snapshot { try await repository.snapshot(.root(root)) }

    /// The master keys as they are in their files; `nil` when there are none.
    var keysText: String? {
        let text = configuration.keys.compactMap { path -> String? in
            guard let file = fopen(path, "re") else { return nil }
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 64 << 10)
            let count = fread(&bytes, 1, bytes.count, file)
            return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
        }
        return text.isEmpty ? nil : text.joined()
    }

    /// A call was answered with EIO.
    func countFailure() { failures.withLock { $0 = ($0.count + 1, time(nil)) } }

    var ioErrors: (count: Int, last: Int) { failures.withLock { $0 } }

    /// Counters of the whole tree, read once a snapshot.
    func counters(of view: MountedView) -> CatalogStatistics? {
        if let known = statistics.withLock({ $0 }), known.view == view.number { return known.value }
        guard let value = try? view.snapshot.statistics else { return nil }
        statistics.withLock { $0 = (view.number, value) }
        return value
    }

    /// What statfs(2) tells; for the rest of a second, what it told last: `find` asks it of every folder, the kernel keeps
    /// no answer, and the cache's counters are in a file with a lock.
    func statistics(of view: MountedView) -> Statistics {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now)
        let time = now.tv_sec
        if let known = recent.withLock({ $0 }), known.view == view.number, known.time == time { return known.value }
        let value = currentStatistics(of: view)
        recent.withLock { $0 = (view.number, time, value) }
        return value
    }

    /// Source: format 6.3.
    private func currentStatistics(of view: MountedView) -> Statistics {
        let block: Int64 = 512
        var limit: Int64 = 0
        var used: Int64 = 0
        if let disk = store as? DiskStore, disk.limit != .unlimited {
            limit = disk.limit.bytes
            used = (try? disk.usage())?.size.bytes ?? 0
        }
        let counters = counters(of: view)
        let all = counters.map { ($0.own + $0.subtree).entries } ?? 0
        let loaded = counters.map { view.snapshot.tree.loadedCount == 0 ? $0.own.entries : 0 } ?? 0
        let free = UInt64(clamping: max(0, limit - used) / block)
        return Statistics(
            blockSize: UInt32(block), blocks: UInt64(clamping: limit / block), freeBlocks: free, availableBlocks: free,
            files: UInt64(clamping: all), freeFiles: UInt64(clamping: loaded == 0 ? 0 : all - loaded))
    }
}
