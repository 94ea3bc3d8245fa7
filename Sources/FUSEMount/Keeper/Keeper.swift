internal import CMount
internal import FUSE
internal import Glibc
internal import SystemPackage

/// The process that holds a mount: its descriptors, and nothing else that could fail.
///
/// It starts the worker, and starts another one when that dies; it never looks at what is mounted. It ends when the
/// mount does, and the mount ends with it.
public struct Keeper {
    /// What has been told apart in the reports of a worker.
    private struct Worker {
        var process: pid_t
        var socket: MessageSocket
        /// It has opened the repository, and waits.
        var isPrepared = false
        var isServing = false
    }

    private struct Held {
        var agreement: Agreement
        var descriptors: [Int32]
    }

    private struct Upgrade {
        var worker: Worker
        var program: String
        var configuration: MountConfiguration
        var client: MessageSocket
        var isPrepared = false
    }

    private let folder: RuntimeFolder
    private let lock: MountpointLock
    private let signals: Int32
    private let listener: MessageSocket
    private var program: String
    private var configuration: MountConfiguration
    private let announce: (Result<Void, MountError>) -> Void
    private var isAnnounced = false
    private var worker: Worker?
    private var upgrade: Upgrade?
    /// Who waits for the upgrade's new worker to serve.
    private var upgrading: MessageSocket?
    private var held: Held?
    private let manager = ServiceManager()
    private var stored: StoredMount?
    private var root: String?
    private var clients: [(MessageSocket, ControlRequest)] = []
    private var unmounting: [MessageSocket] = []
    private var isEnding = false
    private var failures: [Int] = []
    /// Workers one after the other that ended before they served.
    private var fruitless = 0
    private var lastFailure: String?

    /// Mounts, and keeps the mount until it ends. Blocks.
    ///
    /// - Parameters:
    ///   - configuration: what is mounted, and where.
    ///   - program: this program, which is started as `program serve-mount` for the worker.
    ///   - announce: called once, when the mount can be used or when it cannot be had.
    public static func run(
        _ configuration: MountConfiguration, program: String, announce: (Result<Void, MountError>) -> Void
    ) throws {
        try withoutActuallyEscaping(announce) { announce in
            var keeper = try Keeper(configuration, program: program, announce: announce)
            try keeper.serve()
        }
    }

    private init(
        _ configuration: MountConfiguration, program: String, announce: @escaping (Result<Void, MountError>) -> Void
    ) throws {
        self.configuration = configuration
        self.program = program
        self.announce = announce
        folder = try RuntimeFolder(mountpoint: configuration.mountpoint)
        self.configuration.mountpoint = folder.mountpoint
        lock = try MountpointLock.take(folder)
        // What a keeper that was killed has left.
        unlink(folder.socket)
        let listening = cmount_listen(folder.socket)
        guard listening >= 0 else { throw MessageSocket.failure("\(folder.socket) cannot be listened on", listening) }
        listener = MessageSocket(descriptor: listening)
        signals = cmount_signals()
        guard signals >= 0 else { throw MessageSocket.failure("signals cannot be received", signals) }
    }

    private mutating func serve() throws {
        defer {
            folder.remove()
            listener.close()
        }
        takeStored()
        worker = try start(program, configuration, root: root)
        while true {
            var polled: [pollfd] = [
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
                pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            polled.append(pollfd(fd: worker?.socket.descriptor ?? -1, events: Int16(POLLIN), revents: 0))
            polled.append(pollfd(fd: upgrade?.worker.socket.descriptor ?? -1, events: Int16(POLLIN), revents: 0))
            let count = poll(&polled, nfds_t(polled.count), -1)
            if count < 0 {
                guard errno == EINTR else { throw MessageSocket.failure("nothing can be waited for", -errno) }
                continue
            }
            if polled[0].revents != 0 { readSignals() }
            if polled[3].revents != 0 { hearUpgrade() }
            if polled[2].revents != 0, try !hearWorker() { return }
            if polled[1].revents != 0 { accept() }
        }
    }

    // MARK: The service manager

    /// Takes a mount whose keeper has died.
    private mutating func takeStored() {
        guard configuration.isStored == true, let manager else { return }
        guard let found = StoredMount(of: configuration, in: manager) else { return }
        stored = found
        held = Held(agreement: found.agreement, descriptors: found.descriptors)
        root = found.root
    }

    private mutating func store() {
        guard configuration.isStored == true, let manager, let held else { return }
        do {
            stored = try StoredMount(held.agreement, held.descriptors, configuration, in: manager)
            stored?.root = root
        } catch { lastFailure = "\(error)" }
    }

    // MARK: Workers

    private func start(_ program: String, _ configuration: MountConfiguration, root: String?) throws -> Worker {
        let (ours, theirs) = try MessageSocket.pair()
        defer { theirs.close() }
        var process: pid_t = 0
        let words: [UnsafeMutablePointer<CChar>?] = [program, "serve-mount"].map { (word: String) in strdup(word) }
        defer { for word in words { free(word) } }
        let result = cmount_start(program, words + [nil], theirs.descriptor, 0, "", &process)
        guard result == 0 else {
            ours.close()
            throw MessageSocket.failure("\(program) cannot be started", result)
        }
        let worker = Worker(process: process, socket: ours)
        try ours.send(WorkerOrder.prepare(configuration, root: root))
        return worker
    }

    /// - Returns: whether the mount goes on.
    private mutating func hearWorker() throws -> Bool {
        guard let current = worker else { return true }
        guard let (report, descriptors) = try? current.socket.receive(WorkerReport.self) else {
            return try workerEnded(current)
        }
        switch report {
        case .prepared(let root):
            self.root = root
            if let held {
                try? current.socket.send(WorkerOrder.takeOver(held.agreement), descriptors: held.descriptors)
            } else {
                try? current.socket.send(WorkerOrder.mount)
            }
        case .mounted(let agreement):
            held = Held(agreement: agreement, descriptors: descriptors)
            store()
            serving()
        case .serving: serving()
        case .shows(let root):
            self.root = root
            stored?.root = root
        case .failed(let reason): lastFailure = reason
        case .ended:
            reap(current)
            worker = nil
            end(nil)
            return false
        }
        return true
    }

    private mutating func serving() {
        worker?.isServing = true
        if !isAnnounced { announce(.success(())) }
        if !isAnnounced || upgrading != nil {
            manager?.ready("\(configuration.repository) is mounted at \(configuration.mountpoint)")
        }
        isAnnounced = true
        let waiting = clients
        clients = []
        for (client, request) in waiting { pass(request, from: client) }
        if let client = upgrading { reply(.done, to: client) }
        upgrading = nil
    }

    private mutating func workerEnded(_ dead: Worker) throws -> Bool {
        reap(dead)
        worker = nil
        if isEnding {
            end(nil)
            return false
        }
        guard held != nil else {
            let error = MountError(
                .repository, lastFailure ?? "the process that should have served the mount has died")
            end(error)
            return false
        }
        if let upgrade, upgrade.isPrepared {
            // It left, as it was told: the new one takes over.
            worker = upgrade.worker
            program = upgrade.program
            configuration = upgrade.configuration
            upgrading = upgrade.client
            self.upgrade = nil
            if let held {
                try? upgrade.worker.socket.send(WorkerOrder.takeOver(held.agreement), descriptors: held.descriptors)
            }
            return true
        }
        let now = Int(time(nil))
        failures = failures.filter { $0 > now - 60 } + [now]
        fruitless = dead.isServing ? 0 : fruitless + 1
        // Programs wait for an answer that nobody would give: an error is better than that.
        guard failures.count <= MountLimits.restartsInMinute, fruitless <= MountLimits.fruitlessWorkers else {
            end(MountError(.lost, "the mount's worker ends again and again: \(lastFailure ?? "killed")"))
            return false
        }
        // One that cannot even begin is not started again at once.
        if !dead.isServing { usleep(200_000) }
        worker = try start(program, configuration, root: root)
        return true
    }

    private func reap(_ worker: Worker) {
        worker.socket.close()
        kill(worker.process, SIGKILL)
        var status: Int32 = 0
        while waitpid(worker.process, &status, 0) < 0, errno == EINTR {}
    }

    private mutating func hearUpgrade() {
        guard var upgrade else { return }
        guard let (report, _) = try? upgrade.worker.socket.receive(WorkerReport.self) else {
            return giveUp(upgrade, lastFailure ?? "the new process has died")
        }
        switch report {
        case .prepared:
            upgrade.isPrepared = true
            self.upgrade = upgrade
            try? worker?.socket.send(WorkerOrder.leave)
        case .failed(let reason):
            giveUp(upgrade, reason)
        case .mounted, .serving, .shows, .ended: break
        }
    }

    private mutating func giveUp(_ upgrade: Upgrade, _ reason: String) {
        reap(upgrade.worker)
        reply(.failed(reason), to: upgrade.client)
        self.upgrade = nil
        manager?.ready("\(configuration.repository) could not be taken over: \(reason)")
    }

    // MARK: Signals and clients

    private mutating func readSignals() {
        var numbers = [UInt8](repeating: 0, count: 64)
        let count = read(signals, &numbers, numbers.count)
        for number in numbers.prefix(max(0, count)) {
            switch Int32(number) {
            case SIGTERM, SIGINT: beginToEnd()
            // A terminal that closes ends the mount that runs in it.
            case SIGHUP: beginToEnd()
            default: break
            }
        }
    }

    private mutating func beginToEnd() {
        guard !isEnding else {
            // Asked twice: at once.
            if let worker { kill(worker.process, SIGKILL) }
            return
        }
        isEnding = true
        manager?.stopping()
        try? worker?.socket.send(WorkerOrder.end)
    }

    private mutating func accept() {
        let descriptor = cmount_accept(listener.descriptor)
        guard descriptor >= 0 else { return }
        let client = MessageSocket(descriptor: descriptor)
        var user: uid_t = 0
        guard cmount_peer(descriptor, &user) == 0, user == 0 || user == geteuid(),
            cmount_set_patience(descriptor, Int32(MountLimits.patience)) == 0,
            let (request, descriptors) = try? client.receive(ControlRequest.self)
        else { return client.close() }
        for descriptor in descriptors { Glibc.close(descriptor) }
        switch request {
        case .unmount:
            // The mount's own processes do it, so that none of them is left.
            unmounting.append(client)
            beginToEnd()
        case .upgrade(let program, let configuration): begin(program, configuration, client)
        case .configuration: reply(.configuration(configuration), to: client)
        default: pass(request, from: client)
        }
    }

    private mutating func pass(_ request: ControlRequest, from client: MessageSocket) {
        guard let worker, worker.isServing else {
            clients.append((client, request))
            return
        }
        try? worker.socket.send(WorkerOrder.answer(request), descriptors: [client.descriptor])
        client.close()
    }

    private func reply(_ reply: ControlReply, to client: MessageSocket) {
        try? client.send(reply)
        client.close()
    }

    private mutating func begin(_ program: String, _ configuration: MountConfiguration?, _ client: MessageSocket) {
        guard upgrade == nil, upgrading == nil, worker?.isServing == true, !isEnding else {
            return reply(.failed("the mount is not in a state to be upgraded; try again"), to: client)
        }
        var new = configuration ?? self.configuration
        // A mount stays where it is, and what was agreed with the kernel stays.
        new.mountpoint = self.configuration.mountpoint
        guard new.repository == self.configuration.repository, new.nodes == self.configuration.nodes else {
            return reply(.failed("a mount cannot become that of another repository"), to: client)
        }
        if new.isStored == nil { new.isStored = self.configuration.isStored }
        if new.reading == nil { new.reading = self.configuration.reading }
        guard new.reading == self.configuration.reading else {
            return reply(.failed("how files are read cannot change while it is mounted"), to: client)
        }
        do {
            let root = new.state == self.configuration.state ? root : nil
            lastFailure = nil
            upgrade = Upgrade(
                worker: try start(program, new, root: root), program: program, configuration: new, client: client)
            manager?.reloading()
        } catch { reply(.failed("\(error)"), to: client) }
    }

    /// The mount is over, one way or the other.
    private mutating func end(_ error: MountError?) {
        if let upgrade {
            reap(upgrade.worker)
            reply(.failed("the mount has ended"), to: upgrade.client)
        }
        if let client = upgrading { reply(.failed("the mount has ended"), to: client) }
        if let stored, let manager { stored.letGo(in: manager) }
        if held != nil, let mounted = Mountpoint(folder.mountpoint).mounted, mounted.type == "fuse.cvmfs" {
            try? Mountpoint(folder.mountpoint).unmount(lazily: true)
        }
        for descriptor in held?.descriptors ?? [] { Glibc.close(descriptor) }
        for client in unmounting { reply(error.map { .failed("\($0)") } ?? .done, to: client) }
        for (client, _) in clients { reply(.failed("the mount has ended"), to: client) }
        if !isAnnounced {
            announce(.failure(error ?? MountError(.refused, lastFailure ?? "the mount ended before it began")))
        } else if let error {
            let line = Array("cvmfs: \(error)\n".utf8)
            _ = write(2, line, line.count)
        }
    }
}
