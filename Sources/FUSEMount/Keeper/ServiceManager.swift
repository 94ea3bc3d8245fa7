internal import CMount
internal import Glibc

/// systemd, or whoever else started this process with the address of a socket for what becomes of it (sd_notify(3)).
final class ServiceManager: Sendable {
    private let socket: Int32

    /// - Returns: `nil` when nobody wants to hear.
    init?() {
        guard let address = getenv("NOTIFY_SOCKET") else { return nil }
        socket = cmount_notify_socket(address)
        if socket < 0 { return nil }
        // Nobody is waited for who does not read.
        _ = cmount_set_patience(socket, Int32(MountLimits.patience))
    }

    deinit { close(socket) }

    func ready(_ status: String) { tell("READY=1\nSTATUS=\(status)") }

    /// Another program takes over, until the next `ready`.
    func reloading() {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        tell("RELOADING=1\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1000)")
    }

    func stopping() { tell("STOPPING=1") }

    /// Has a descriptor kept for the next process; what is kept already is not kept twice.
    func keep(_ descriptor: Int32, as name: String) { tell("FDSTORE=1\nFDNAME=\(name)", [descriptor]) }

    func letGo(of name: String) { tell("FDSTOREREMOVE=1\nFDNAME=\(name)") }

    private func tell(_ text: String, _ descriptors: [Int32] = []) {
        let bytes = Array(text.utf8)
        _ = cmount_send(socket, bytes, bytes.count, descriptors, descriptors.count)
    }

    /// The descriptors that were kept for this process, by their names; they are its own from now on.
    static func keptDescriptors() -> [String: Int32] {
        guard let process = getenv("LISTEN_PID").flatMap({ pid_t(String(cString: $0)) }), process == getpid(),
            let count = getenv("LISTEN_FDS").flatMap({ Int32(String(cString: $0)) }), count > 0,
            let names = getenv("LISTEN_FDNAMES").map({ String(cString: $0) })
        else { return [:] }
        var found: [String: Int32] = [:]
        for (name, descriptor) in zip(names.split(separator: ":", omittingEmptySubsequences: false), 3..<(3 + count)) {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            found[String(name)] = descriptor
        }
        return found
    }
}
