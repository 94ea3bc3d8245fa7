internal import CASCore
internal import Catalog
internal import Synchronization

/// Fetches the nested catalogs that a walk is about to enter, some at a time, so that it does not wait for each.
///
/// They go to the cache only; the walk opens them when it comes there. What fails here fails again, and is told, there.
final class CatalogsAhead: Sendable {
    /// Fetched at once: enough to hide a round trip, few enough to leave connections to others.
    private static let parallel = 8

    private struct State {
        var waiting: [Entry] = []
        var running: [Int: Task<Void, Never>] = [:]
        var started = 0
    }

    private let snapshot: Snapshot
    private let state = Mutex(State())

    init(_ snapshot: Snapshot) { self.snapshot = snapshot }

    deinit {
        for task in state.withLock({ $0.running.values }) { task.cancel() }
    }

    func fetch(for page: [Entry]) {
        let mountpoints = page.filter { $0.isNestedMountpoint }
        guard !mountpoints.isEmpty else { return }
        state.withLock { state in
            state.waiting += mountpoints
            while state.running.count < Self.parallel, startNext(&state) {}
        }
    }

    private func startNext(_ state: inout State) -> Bool {
        guard !state.waiting.isEmpty else { return false }
        let entry = state.waiting.removeFirst()
        let number = state.started
        state.started += 1
        state.running[number] = Task(priority: .low) { [weak self, snapshot] in
            if let nested = try? await snapshot.nestedCatalog(at: entry) {
                _ = try? await snapshot.fetcher.object(
                    nested.object, size: nested.size.map { .exactly($0) } ?? .atMost(CompositionLimits.catalogBytes),
                    for: .catalog(nested.path), priority: .prefetch)
            }
            self?.ended(number)
        }
        return true
    }

    private func ended(_ number: Int) {
        state.withLock { state in
            state.running[number] = nil
            _ = startNext(&state)
        }
    }
}
