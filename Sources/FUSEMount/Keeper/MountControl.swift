internal import CMount
internal import FUSE
internal import FoundationEssentials
internal import Glibc
internal import SystemPackage

/// Talks to the processes of a mount, without touching the mount itself.
public struct MountControl: Sendable {
    public let folder: RuntimeFolder

    public init(mountpoint: String) throws {
        folder = try RuntimeFolder(mountpoint: mountpoint)
    }

    /// Whether somebody keeps the mount.
    public var isAlive: Bool {
        let descriptor = cmount_connect(folder.socket)
        guard descriptor >= 0 else { return false }
        Glibc.close(descriptor)
        return true
    }

    /// Asks, and waits for the answer. Blocks.
    ///
    /// A question that a dying worker took along is asked again of its successor.
    ///
    /// - Throws: `MountError` with `.notMounted`, `.lost`, or `.refused` with what the mount says.
    public func ask(_ request: ControlRequest) throws -> ControlReply {
        for _ in 0..<MountLimits.questions {
            guard let reply = try askOnce(request) else {
                guard request.changesNothing else { break }
                continue
            }
            if case .failed(let reason) = reply { throw MountError(.refused, reason) }
            return reply
        }
        throw MountError(.lost, "the mount at \(folder.mountpoint) gave no answer")
    }

    /// - Returns: `nil` when whoever took the question is gone.
    private func askOnce(_ request: ControlRequest) throws -> ControlReply? {
        let descriptor = cmount_connect(folder.socket)
        guard descriptor >= 0 else {
            throw MountError(
                .notMounted,
                "\(folder.mountpoint) is no mount of this user's that lives (cvmfs umount removes a dead one)")
        }
        let socket = MessageSocket(descriptor: descriptor)
        defer { socket.close() }
        _ = cmount_set_patience(descriptor, Int32(MountLimits.answerPatience))
        try socket.send(request)
        guard let (reply, descriptors) = try socket.receive(ControlReply.self) else { return nil }
        for descriptor in descriptors { Glibc.close(descriptor) }
        return reply
    }

    /// Removes the mount, also a dead one.
    ///
    /// - Parameter lazily: also while it is in use: then it vanishes from the tree, and those who use it get errors.
    public func unmount(lazily: Bool) throws {
        let mountpoint = Mountpoint(folder.mountpoint)
        guard isAlive else {
            guard mountpoint.mounted != nil else {
                throw MountError(.notMounted, "nothing is mounted at \(folder.mountpoint)")
            }
            try unmount(mountpoint, lazily: true)
            // Unless somebody mounts there again already.
            let lock = try MountpointLock.attempt(folder)
            if lock != nil { folder.remove() }
            return
        }
        if !lazily, mountpoint.mounted != nil {
            // The kernel says whether somebody uses it; the keeper ends when it is gone.
            try unmount(mountpoint, lazily: false)
        } else {
            _ = try ask(.unmount(lazily: true))
        }
        waitForEnd()
    }

    private func unmount(_ mountpoint: Mountpoint, lazily: Bool) throws {
        do { try mountpoint.unmount(lazily: lazily) } catch {
            throw MountError(
                .refused, "\(error.message)\(lazily ? "" : "; --lazy unmounts what is in use")", cause: error)
        }
    }

    /// Returns when nobody listens any more, so that the same mountpoint can be used at once; not for ever.
    private func waitForEnd() {
        for _ in 0..<1000 where isAlive { usleep(10_000) }
    }

    /// Starts a keeper that outlives this process, and waits until the mount can be used. Blocks.
    ///
    /// - Parameters:
    ///   - configuration: what is mounted, and where.
    ///   - program: the file of the program `cvmfs`, which serves the mount.
    ///   - log: a file for what goes wrong later.
    public static func mountDetached(_ configuration: MountConfiguration, program: String, log: String) throws {
        let (ours, theirs) = try MessageSocket.pair()
        defer { ours.close() }
        let words: [UnsafeMutablePointer<CChar>?] = [program, "keep-mount"].map { (word: String) in strdup(word) }
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let result = cmount_start(program, words + [nil], theirs.descriptor, 1, log, &process)
        theirs.close()
        guard result == 0 else { throw MessageSocket.failure("\(program) cannot be started", result) }
        try ours.send(configuration)
        guard let (reply, _) = try ours.receive(ControlReply.self) else {
            throw MountError(.lost, "the process that should keep the mount has died; see \(log)")
        }
        if case .failed(let reason) = reply { throw MountError(.refused, reason) }
    }

    /// The keeper's side of `mountDetached`. Blocks until the mount ends.
    public static func keepDetached(descriptor: Int32, program: String) throws {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        let socket = MessageSocket(descriptor: descriptor)
        guard let (configuration, _) = try socket.receive(MountConfiguration.self) else { return }
        do {
            try Keeper.run(configuration, program: program) { result in
                switch result {
                case .success: try? socket.send(ControlReply.done)
                case .failure(let error): try? socket.send(ControlReply.failed("\(error)"))
                }
                socket.close()
            }
        } catch {
            try? socket.send(ControlReply.failed("\(error)"))
            throw error
        }
    }
}
