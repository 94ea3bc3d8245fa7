internal import CVMFS
internal import Glibc
internal import Synchronization

/// The misses of late, for `explain`.
final class MissLog: Sendable {
    private struct State {
        var misses: [MountMiss] = []
        var next = 0
    }

    private let state = Mutex(State())

    /// Listens until the task is cancelled.
    func listen(to repository: Repository) async {
        for await event in repository.events() { add(event) }
    }

    /// The last so many, the newest last.
    func last(_ count: Int) -> [MountMiss] {
        state.withLock { state in
            let inOrder = state.misses[state.next...] + state.misses[..<state.next]
            return Array(inOrder.suffix(max(0, count)))
        }
    }

    private func add(_ event: FetchEvent) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var failure: String?
        if case .failed(let error) = event.outcome { failure = "\(error)" }
        let miss = MountMiss(
            time: Double(now.tv_sec) + Double(now.tv_nsec) / 1e9, kind: Self.kind(event.reason),
            path: event.reason.path.map { "\($0)" }, object: event.object.map { "\($0)" },
            why: event.priority == .demand ? "demand" : "prefetch",
            source: event.source.isEmpty ? nil : event.source, bytes: event.bytes,
            milliseconds: event.duration / .milliseconds(1), failure: failure)
        state.withLock { state in
            if state.misses.count < MountLimits.rememberedMisses {
                state.misses.append(miss)
            } else {
                state.misses[state.next] = miss
                state.next = (state.next + 1) % MountLimits.rememberedMisses
            }
        }
    }

    private static func kind(_ reason: FetchEvent.Reason) -> String {
        switch reason {
        case .manifest: "manifest"
        case .whitelist: "whitelist"
        case .certificate: "certificate"
        case .metainfo: "metainfo"
        case .history: "history"
        case .catalog: "catalog"
        case .file: "file"
        case .chunk: "chunk"
        }
    }
}
