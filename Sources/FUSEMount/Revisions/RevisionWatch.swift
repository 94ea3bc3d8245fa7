internal import CVMFS
internal import FUSE
internal import Synchronization

/// Takes a mount to new revisions: when the time to live is over, or when somebody asks for it.
///
/// The table of nodes hears of a new snapshot last, so that a process that is killed on the way leaves one whose
/// successor begins the change again.
actor RevisionWatch {
    private let repository: Repository
    private let fileSystem: SnapshotFileSystem
    private let session: Session
    private(set) var lastChange: RevisionChange.Report?
    private(set) var lastFailure: String?
    private var running: Task<Void, Never>?
    private var changed: (@Sendable (String) -> Void)?

    init(repository: Repository, fileSystem: SnapshotFileSystem, session: Session) {
        self.repository = repository
        self.fileSystem = fileSystem
        self.session = session
    }

    /// Is told each root catalog's hash that is shown from now on.
    func onChange(_ body: @escaping @Sendable (String) -> Void) { changed = body }

    /// Runs until the task is cancelled.
    func run() async {
        var isFirst = true
        while !Task.isCancelled {
            // One that took over does not know how old what it shows is.
            let wait = isFirst && repository.trusted == nil ? 0 : max(1, repository.timeToLive)
            isFirst = false
            do { try await Task.sleep(for: .seconds(wait)) } catch { return }
            await check()
        }
    }

    /// Asks the servers now; what is under way already may have its answer from before.
    func check() async {
        while let earlier = running {
            await earlier.value
            // Not left to who began it: a task that has ended is not waited for, so that nobody else would have a turn.
            if running == earlier { running = nil }
        }
        let task = Task { await self.look() }
        running = task
        await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        if running == task { running = nil }
    }

    private func look() async {
        do {
            let snapshot = try await repository.refresh()
            lastFailure = repository.offlineReason.map { "\($0)" }
            let current = fileSystem.views.current
            guard snapshot.rootHash != current.snapshot.rootHash else { return }
            try await change(to: snapshot)
        } catch is CancellationError {
        } catch { lastFailure = "\(error)" }
    }

    private func change(to snapshot: Snapshot) async throws {
        let table = fileSystem.table
        let new = MountedView(number: fileSystem.views.current.number + 1, snapshot: snapshot)
        let root = try table.catalog(
            snapshot.rootHash, size: snapshot.rootCatalogSize, mountedAt: NodeTable.root)
        let old = fileSystem.views.replace(by: new)
        fileSystem.sweep.stop()
        do {
            lastChange = try await RevisionChange(
                old: old, new: new, fileSystem: fileSystem, session: session
            ).announce()
        } catch {
            // A catalog did not come, so that not all names are known that are different. The mount stays where it was,
            // and the next look begins the change again; otherwise the kernel would keep the old names for ever.
            fileSystem.views.restore(old)
            throw error
        }
        _ = table.beginView(root: root)
        changed?(snapshot.rootHash.description)
    }
}
