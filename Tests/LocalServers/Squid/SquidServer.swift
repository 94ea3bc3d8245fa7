import Glibc
import Synchronization

/// A squid of our own: a caching forward proxy on a free port of 127.0.0.1, which keeps what it caches in memory.
package final class SquidServer: Sendable {
    private static let program = "/usr/sbin/squid"

    private let folder: TemporaryFolder
    private let port: ReservedPort
    private let process: Mutex<SupervisedProcess?>

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
        // It has nothing to tidy up, and would take two seconds for it.
        let started = try SupervisedProcess(
            Self.program, ["-N", "-f", "\(folder.path)/squid.conf"], folder: folder.path, signal: "KILL")
        guard Self.waitUntilItListens(started, port: port.number) else {
            let log = readFile("\(folder.path)/output.log") ?? []
            throw LocalServerError("squid does not start: \(String(decoding: log, as: UTF8.self))")
        }
        process = Mutex(started)
    }

    deinit { stop() }

    /// `http://127.0.0.1:PORT`
    package var url: String { "http://127.0.0.1:\(port.number)" }

    /// Stops it at once; connections to it are refused from then on.
    package func stop() { process.withLock { $0 = nil } }

    private static func waitUntilItListens(_ process: borrowing SupervisedProcess, port: UInt16) -> Bool {
        for _ in 0..<3000 {
            if let socket = connectToLoopback(port: port) {
                close(socket)
                return true
            }
            usleep(10_000)
        }
        return false
    }
}
