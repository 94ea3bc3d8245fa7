import Glibc
import Synchronization

/// An nginx of our own: on free ports of 127.0.0.1 and [::1], with its own folder, gone with this object or process.
///
/// ```swift
/// let server = try NginxServer(serving: ["/cvmfs/tiny.example.org": folder])
/// server.url(of: "tiny.example.org")      // http://127.0.0.1:40123/cvmfs/tiny.example.org
/// try server.requests().count
/// ```
package final class NginxServer: Sendable {
    private static let program = "/usr/sbin/nginx"

    private struct State: ~Copyable {
        var configuration: NginxConfiguration
        var process: SupervisedProcess?
        var forgottenLogBytes = 0
    }

    private let folder: TemporaryFolder
    private let port: ReservedPort
    private let securePort: ReservedPort
    private let state: Mutex<State>

    /// Starts it. It answers at once: its sockets listen before it runs.
    package init(_ configuration: NginxConfiguration) throws {
        guard access(Self.program, X_OK) == 0 else {
            throw LocalServerError("\(Self.program) is missing: apt-get install nginx-light")
        }
        folder = try TemporaryFolder("nginx")
        port = try ReservedPort()
        securePort = try ReservedPort()
        state = Mutex(State(configuration: configuration))
        if configuration.tls != .off { try Self.makeCertificate(in: folder.path) }
        try start()
    }

    package convenience init(
        serving folders: [String: String], tls: NginxConfiguration.TLS = .off, directives: String = ""
    ) throws {
        try self.init(NginxConfiguration(serving: folders, tls: tls, directives: directives))
    }

    deinit { stop() }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    package var url: String { "http://127.0.0.1:\(port.number)" }

    /// `http://[::1]:PORT`; `nil` where the machine has no IPv6.
    package var ipv6URL: String? { port.hasIPv6 ? "http://[::1]:\(port.number)" : nil }

    /// `https://localhost:PORT`, when TLS is on. Its certificate is also good for 127.0.0.1 and [::1].
    package var secureURL: String { "https://localhost:\(securePort.number)" }

    /// The certificate to trust for `secureURL` (PEM).
    package var certificateFile: String { "\(folder.path)/certificate.pem" }

    /// The URL of a repository that is served at `/cvmfs/NAME`.
    package func url(of repository: String) -> String { "\(url)/cvmfs/\(repository)" }

    /// Starts it again on the same ports after `stop()`; nothing happens while it runs.
    package func start() throws {
        try state.withLock { state in
            guard state.process == nil else { return }
            try write(state.configuration)
            var sockets: [Int32] = []
            defer { for socket in sockets { close(socket) } }
            sockets += try port.listen()
            if state.configuration.tls != .off { sockets += try securePort.listen() }
            // nginx takes over listening sockets that this variable names, as it does when it is upgraded in flight.
            let numbers = sockets.indices.map { "\(3 + $0);" }.joined()
            state.process = try SupervisedProcess(
                Self.program, ["-p", folder.path, "-e", "error.log", "-c", "nginx.conf"], folder: folder.path,
                environment: ["NGINX": numbers], descriptors: sockets)
        }
        do { try fence() } catch {
            stop()
            throw LocalServerError("nginx does not start: \(log("output.log")) \(log("error.log"))")
        }
    }

    /// Stops it at once: open connections are closed, new ones refused.
    package func stop() { state.withLock { $0.process = nil } }

    /// Stops it and starts it again with another configuration.
    package func restart(_ change: (inout NginxConfiguration) -> Void) throws {
        state.withLock { change(&$0.configuration) }
        stop()
        try start()
    }

    /// All requests so far (or since `forgetRequests()`), in the order in which they ended.
    package func requests() throws -> [ServedRequest] {
        if state.withLock({ $0.process != nil }) { try fence() }
        let text = readFile("\(folder.path)/access.log") ?? []
        let start = state.withLock { $0.forgottenLogBytes }
        return text.dropFirst(start).split(separator: UInt8(ascii: "\n")).compactMap(Self.request)
    }

    package func forgetRequests() throws {
        if state.withLock({ $0.process != nil }) { try fence() }
        let size = readFile("\(folder.path)/access.log")?.count ?? 0
        state.withLock { $0.forgottenLogBytes = size }
    }

    /// Returns when all that was answered before is in the log: there is one worker, which takes one event at a time.
    private func fence() throws {
        guard let socket = connectToLoopback(port: port.number) else {
            throw LocalServerError("nginx does not answer on port \(port.number)")
        }
        defer { close(socket) }
        let request = "GET /.fence HTTP/1.0\r\n\r\n"
        var patience = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        _ = send(socket, request, request.utf8.count, Int32(MSG_NOSIGNAL))
        var byte: UInt8 = 0
        guard read(socket, &byte, 1) == 1 else { throw LocalServerError("nginx closed the connection") }
    }

    private func write(_ configuration: NginxConfiguration) throws {
        let text = configuration.text(
            in: folder.path, port: port.number, securePort: securePort.number, hasIPv6: port.hasIPv6,
            isRoot: geteuid() == 0)
        try folder.write(text.utf8, to: "nginx.conf")
    }

    private func log(_ name: String) -> String {
        String(decoding: readFile("\(folder.path)/\(name)") ?? [], as: UTF8.self)
    }

    private static func request(_ line: ArraySlice<UInt8>) -> ServedRequest? {
        let fields = String(decoding: line, as: UTF8.self)
            .split(separator: "\t", omittingEmptySubsequences: false).map { $0 == "-" ? "" : String($0) }
        guard fields.count == 10, let connection = Int(fields[0]), let status = Int(fields[4]) else { return nil }
        return ServedRequest(
            connection: connection, method: fields[1], target: fields[2], version: fields[3], status: status,
            bodyBytes: Int(fields[5]) ?? 0, userAgent: fields[6], range: fields[7], pragma: fields[8],
            cacheControl: fields[9])
    }

    private static func makeCertificate(in folder: String) throws {
        try runToEnd(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "36500",
                "-keyout", "\(folder)/key.pem", "-out", "\(folder)/certificate.pem", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
            ], log: "\(folder)/openssl.log")
    }
}
