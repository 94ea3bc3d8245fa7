internal import CMount
internal import CVMFS
internal import FUSE
internal import Glibc
internal import Logging
internal import Synchronization
internal import SystemPackage

/// The process that serves a mount. It may die at any time: what must outlive it is the keeper's.
public final class MountWorker: Sendable {
    private struct State {
        var mounted: MountedRepository?
        var table: NodeTable?
        var fileSystem: SnapshotFileSystem?
        var session: Session?
        var watch: RevisionWatch?
        var tasks: [Task<Void, Never>] = []
        var firstView: Snapshot?
        var isLeaving = false
    }

    private let keeper: MessageSocket
    private let misses = MissLog()
    private let state = Mutex(State())

    private init(keeper: MessageSocket) { self.keeper = keeper }

    /// Serves until the mount is gone, or the keeper says so.
    ///
    /// - Parameter descriptor: the connection to the keeper, which started this process.
    public static func run(keeper descriptor: Int32) async throws {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        // Ctrl-C in a terminal is for the keeper, which tells this process what to do.
        for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { signal(number, SIG_IGN) }
        ProcessFigures.raiseDescriptorLimit()
        cmount_save_memory()
        let worker = MountWorker(keeper: MessageSocket(descriptor: descriptor))
        do { try await worker.serve() } catch {
            try? worker.keeper.send(WorkerReport.failed("\(error)"))
            throw error
        }
    }

    // MARK: Orders

    private func serve() async throws {
        let keeper = keeper
        // A thread of its own, since it waits for as long as the mount lives.
        let (orders, continuation) = AsyncStream.makeStream(of: Received.self)
        let listener = PlainThread("cvmfs-keeper") {
            while let received = try? keeper.receive(WorkerOrder.self) {
                continuation.yield(Received(order: received.message, descriptors: received.descriptors))
            }
            continuation.finish()
        }
        try listener.start()
        for await received in orders {
            if try await !obey(received.order, received.descriptors) { return }
        }
        // The keeper is gone: unless there will be another one, nobody would take the mount over, so it ends here.
        if state.withLock({ $0.mounted?.configuration.isStored }) == true { return await leave() }
        await end()
    }

    private struct Received: Sendable {
        let order: WorkerOrder
        let descriptors: [Int32]
    }

    /// - Returns: whether there is more to do.
    private func obey(_ order: WorkerOrder, _ descriptors: [Int32]) async throws -> Bool {
        switch order {
        case .prepare(let configuration, let root): try await prepare(configuration, root: root)
        case .mount: try await mount()
        case .takeOver(let agreement): try await takeOver(agreement, descriptors)
        case .answer(let request):
            guard let client = descriptors.first else { return true }
            let socket = MessageSocket(descriptor: client)
            Task { [self] in
                let reply = await answer(request)
                // A client that has gone needs no answer.
                try? socket.send(reply)
                socket.close()
            }
        case .leave:
            await leave()
            return false
        case .end:
            await end()
            return false
        }
        return true
    }

    private func prepare(_ configuration: MountConfiguration, root: String?) async throws {
        let store = try DiskStore(
            at: FilePath(configuration.cache), limit: .bytes(configuration.cacheLimit))
        let repository = try await configuration.open(store, root: root.flatMap { ContentHash($0) })
        let mounted = MountedRepository(repository: repository, store: store, configuration: configuration)
        let snapshot: Snapshot
        if let root = root.flatMap({ ContentHash($0) }) {
            snapshot = try await repository.snapshot(.root(root))
        } else {
            snapshot = try await repository.snapshot(configuration.selector)
        }
        state.withLock { state in
            state.mounted = mounted
            state.firstView = snapshot
            state.tasks.append(Task { [misses] in await misses.listen(to: repository) })
        }
        try keeper.send(WorkerReport.prepared(root: snapshot.rootHash.description))
    }

    private func mount() async throws {
        let (mounted, snapshot) = try prepared()
        let configuration = mounted.configuration
        let table = try NodeTable(capacity: configuration.nodes)
        let fileSystem = try makeFileSystem(mounted, table, snapshot)
        let session = try await BlockingPool.shared.run {
            try Session.mount(
                fileSystem, at: configuration.mountpoint, options: configuration.mountOptions,
                wishes: configuration.wishes, workers: configuration.workerCount)
        }
        try keeper.send(
            WorkerReport.mounted(session.agreement),
            descriptors: [table.memory.descriptor] + session.descriptors.map(\.rawValue))
        begin(session, fileSystem, mounted)
    }

    private func takeOver(_ agreement: Agreement, _ descriptors: [Int32]) async throws {
        let (mounted, snapshot) = try prepared()
        guard let memory = descriptors.first, descriptors.count > 1 else {
            throw MountError(.lost, "the mount's descriptors did not come")
        }
        let table = try NodeTable(capacity: mounted.configuration.nodes, existing: memory)
        let fileSystem = try makeFileSystem(mounted, table, snapshot)
        let session = try Session.adopt(
            fileSystem, descriptors: descriptors.dropFirst().map { FileDescriptor(rawValue: $0) },
            agreement: agreement, mountpoint: mounted.configuration.mountpoint,
            workers: mounted.configuration.workerCount)
        try keeper.send(WorkerReport.serving)
        begin(session, fileSystem, mounted)
    }

    private func prepared() throws -> (MountedRepository, Snapshot) {
        try state.withLock { state in
            guard let mounted = state.mounted, let snapshot = state.firstView else {
                throw MountError(.lost, "the keeper's orders came in the wrong order")
            }
            return (mounted, snapshot)
        }
    }

    private func makeFileSystem(
        _ mounted: MountedRepository, _ table: NodeTable, _ snapshot: Snapshot
    ) throws -> SnapshotFileSystem {
        let configuration = mounted.configuration
        var number = table.view.number
        let shown = table.catalog(at: table.view.root)
        if shown?.hash != snapshot.rootHash {
            let root = try table.catalog(
                snapshot.rootHash, size: snapshot.rootCatalogSize, mountedAt: NodeTable.root)
            number = table.beginView(root: root)
        }
        return SnapshotFileSystem(
            table: table, view: MountedView(number: number, snapshot: snapshot), fetcher: mounted.repository.fetcher,
            ownership: configuration.ownership,
            contents: min(MountLimits.openContents, ProcessFigures.descriptorLimit / 8), mounted: mounted,
            // Of what is read directly there is no other page cache.
            isRelieving: configuration.reading != .direct)
    }

    private func begin(_ session: Session, _ fileSystem: SnapshotFileSystem, _ mounted: MountedRepository) {
        let watch = RevisionWatch(repository: mounted.repository, fileSystem: fileSystem, session: session)
        let relief = TableRelief(table: fileSystem.table, session: session)
        fileSystem.onLittleRoom { relief.begin() }
        fileSystem.passThrough.begin(session, table: fileSystem.table, cache: mounted.configuration.cache)
        state.withLock { state in
            state.fileSystem = fileSystem
            state.table = fileSystem.table
            state.session = session
            state.watch = watch
            if case .newest = mounted.configuration.state {
                state.tasks.append(
                    Task { [keeper] in
                        await watch.onChange { try? keeper.send(WorkerReport.shows(root: $0)) }
                        await watch.run()
                    })
            }
        }
        // The mount may also end by umount(8).
        Task { [self] in
            await session.ended()
            if state.withLock({ $0.isLeaving }) { return }
            try? keeper.send(WorkerReport.ended)
        }
    }

    // MARK: Ending

    /// Leaves the mount to another worker: every request that this one has taken is answered.
    private func leave() async {
        let (session, tasks) = state.withLock { state in
            state.isLeaving = true
            return (state.session, state.tasks)
        }
        for task in tasks { task.cancel() }
        guard let session else { return }
        try? await BlockingPool.shared.run { session.stop() }
        // What waits for the network is not waited for: the kernel sends it again to the next one.
    }

    private func end() async {
        let (session, tasks) = state.withLock { ($0.session, $0.tasks) }
        for task in tasks { task.cancel() }
        guard let session else { return }
        state.withLock { $0.isLeaving = true }
        try? await BlockingPool.shared.run {
            do { try session.unmount() } catch { try session.unmount(lazily: true) }
        }
        // Whoever still uses it has some time to leave.
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await session.ended() }
            group.addTask { try? await Task.sleep(for: .seconds(MountLimits.farewellSeconds)) }
            await group.next()
            group.cancelAll()
        }
        exit(0)
    }

    // MARK: Clients

    private func answer(_ request: ControlRequest) async -> ControlReply {
        let (mounted, fileSystem, session, watch) = state.withLock {
            ($0.mounted, $0.fileSystem, $0.session, $0.watch)
        }
        guard let mounted, let fileSystem, let session, let watch else { return .failed("the mount is about to begin") }
        switch request {
        case .status:
            return .status(
                await MountStatus(mounted: mounted, fileSystem: fileSystem, session: session, watch: watch))
        case .explain(let count): return .misses(misses.last(count))
        case .refresh:
            guard case .newest = mounted.configuration.state else {
                return .failed("the mount shows a fixed state, for which no server is asked")
            }
            await watch.check()
            return await watch.lastFailure.map { .failed($0) } ?? .done
        case .configuration: return .configuration(mounted.configuration)
        case .upgrade, .unmount: return .failed("that is for the keeper")
        }
    }
}
