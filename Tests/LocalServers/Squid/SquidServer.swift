import Glibc
import Synchronization

/// A squid of our own: a caching forward proxy on a free port of 127.0.0.1, which keeps what it caches in memory.
package final class SquidServer: Sendable {
    private static let program = "/usr/sbin/squid"

    private let folder: TemporaryFolder
    private let port: ReservedPort
    private let process: Mutex<SupervisedProcess?>
    /// Unlike that of any other squid: they share memory by it, also with one that was killed.
    private let service = "cvmfs\(getpid())n\(number.add(1, ordering: .relaxed).newValue)"
    private static let number = Atomic<Int>(0)

    /// Starts it, and returns when it listens.
    package init() throws {
        guard access(Self.program, X_OK) == 0 else {
            throw LocalServerError("\(Self.program) is missing: apt-get install squid")
        }
        // As root, squid becomes the user proxy, who writes its logs.
        folder = try TemporaryFolder("squid", isOpen: true)
        port = try ReservedPort()
        let configuration = """
            http_port 127.0.0.1:\(port.number)
            visible_hostname localhost
            http_access allow all
            cache_mem 64 MB
            maximum_object_size_in_memory 16 MB
            memory_cache_shared off
            access_log stdio:\(folder.path)/access.log
            cache_log \(folder.path)/cache.log
            coredump_dir \(folder.path)
            pid_filename none
            pinger_enable off
            \(geteuid() == 0 ? "cache_effective_user proxy" : "")

            """
        try folder.write(configuration.utf8, to: "squid.conf")
        process = Mutex(try Self.started(as: service, in: folder.path, port: port.number))
    }

    private static func started(as service: String, in folder: String, port: UInt16) throws -> SupervisedProcess {
        for _ in 0..<3 {
            // It has nothing to tidy up, and would take two seconds for it.
            let started = try SupervisedProcess(
                program, ["-N", "-n", service, "-f", "\(folder)/squid.conf"], folder: folder, signal: "KILL")
            if isListening(port) { return started }
        }
        let logs = ["output.log", "cache.log"].map {
            String(decoding: readFile("\(folder)/\($0)") ?? [], as: UTF8.self)
        }
        throw LocalServerError("squid does not start: \(logs.joined(separator: " "))")
    }

    deinit { stop() }

    /// `http://127.0.0.1:PORT`
    package var url: String { "http://127.0.0.1:\(port.number)" }

    /// Stops it at once; connections to it are refused from then on.
    package func stop() {
        process.withLock { $0 = nil }
        for part in ["metadata", "queues", "readers"] { unlink("/dev/shm/\(service)-cf__\(part).shm") }
    }

    /// Whether somebody listens, soon.
    private static func isListening(_ port: UInt16) -> Bool {
        for _ in 0..<1000 {
            if let socket = connectToLoopback(port: port) {
                close(socket)
                return true
            }
            usleep(10_000)
        }
        return false
    }
}
