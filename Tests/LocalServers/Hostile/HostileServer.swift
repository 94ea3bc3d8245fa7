import Glibc
import Synchronization

/// A server that does with each request what a test tells it, however wrong.
///
/// ```swift
/// let server = try HostileServer { request in
///     [.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"), .close]
/// }
/// ```
package final class HostileServer: Sendable {
    /// One step of an answer. After the last one the connection waits for another request.
    package enum Step: Sendable {
        case send(String)
        case sendBytes([UInt8])
        /// The same again and again, until the client goes away.
        case sendForever(String)
        /// The same again and again with pauses in between, in milliseconds, until the client goes away.
        case drip(String, pause: Int32)
        /// Nothing, until the client goes away.
        case stall
        case close
        /// Something of the test, such as to wait for a moment.
        case run(@Sendable () -> Void)
        /// Ends the connection in a way that the client takes for an error.
        case reset
    }

    /// What a client asked.
    package struct Request: Sendable {
        /// Counted over all connections, from 0.
        package let number: Int
        /// Counted from 0.
        package let connection: Int
        /// The request line, and the header lines.
        package let lines: [String]

        package var target: String { lines.first?.split(separator: " ").dropFirst().first.map(String.init) ?? "" }

        /// The value of a header; `nil` when it is absent.
        package func header(_ name: String) -> String? {
            let prefix = name.lowercased() + ": "
            return lines.dropFirst().first { $0.lowercased().hasPrefix(prefix) }.map {
                String($0.dropFirst(prefix.count))
            }
        }
    }

    private let port: ReservedPort
    private let room: Room

    /// Starts it. The script runs on a thread of the connection, for each request.
    package init(_ script: @escaping @Sendable (Request) -> [Step]) throws {
        port = try ReservedPort()
        let sockets = try port.listen()
        room = Room(script, listeners: sockets)
        for socket in sockets {
            startThread { [room] in room.accept(on: socket) }
        }
    }

    deinit { room.end() }

    /// `http://127.0.0.1:PORT`
    package var url: String { "http://127.0.0.1:\(port.number)" }

    /// All requests so far.
    package var requests: [Request] { room.state.withLock { $0.requests } }

    /// How many connections there were.
    package var connections: Int { room.state.withLock { $0.connections } }

    /// How many connections are open now.
    package var openConnections: Int { room.state.withLock { $0.sockets.count } }
}

/// What the server's threads share. They hold it, and not the server, whose end they wait for.
private final class Room: Sendable {
    struct State {
        var requests: [HostileServer.Request] = []
        var connections = 0
        /// Open sockets of clients.
        var sockets: Set<Int32> = []
        var isEnded = false
    }

    let state = Mutex(State())
    private let script: @Sendable (HostileServer.Request) -> [HostileServer.Step]
    private let listeners: [Int32]

    init(_ script: @escaping @Sendable (HostileServer.Request) -> [HostileServer.Step], listeners: [Int32]) {
        self.script = script
        self.listeners = listeners
    }

    func end() {
        state.withLock { state in
            state.isEnded = true
            // Wakes the threads that wait on them; each closes its own.
            for socket in state.sockets { shutdown(socket, Int32(SHUT_RDWR)) }
            for socket in listeners { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }

    func accept(on listener: Int32) {
        defer { close(listener) }
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            if socket < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                return
            }
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            let number: Int? = state.withLock { state in
                if state.isEnded { return nil }
                state.sockets.insert(socket)
                state.connections += 1
                return state.connections - 1
            }
            guard let number else {
                close(socket)
                return
            }
            startThread { self.serve(socket, connection: number) }
        }
    }

    private func serve(_ socket: Int32, connection: Int) {
        defer {
            state.withLock { state in
                state.sockets.remove(socket)
                close(socket)
            }
        }
        var received: [UInt8] = []
        while let head = readHead(socket, &received) {
            let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n").map(String.init)
            let request = state.withLock { state in
                let request = HostileServer.Request(
                    number: state.requests.count, connection: connection, lines: lines)
                state.requests.append(request)
                return request
            }
            for step in script(request) {
                guard play(step, on: socket) else { return }
            }
        }
    }

    /// Returns whether the connection goes on.
    private func play(_ step: HostileServer.Step, on socket: Int32) -> Bool {
        switch step {
        case .send(let text): return send(Array(text.utf8), to: socket)
        case .sendBytes(let bytes): return send(bytes, to: socket)
        case .sendForever(let text):
            let bytes = Array(text.utf8)
            while send(bytes, to: socket) {}
            return false
        case .drip(let text, let pause):
            while send(Array(text.utf8), to: socket), !clientLeaves(socket, within: pause) {}
            return false
        case .stall:
            while !clientLeaves(socket, within: -1) {}
            return false
        case .close: return false
        case .run(let body):
            body()
            return true
        case .reset:
            var linger = linger(l_onoff: 1, l_linger: 0)
            setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
            return false
        }
    }

    private func send(_ bytes: [UInt8], to socket: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    /// Waits some milliseconds, or (-1) without end, for the client to close the connection.
    private func clientLeaves(_ socket: Int32, within timeout: Int32) -> Bool {
        var watched = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        guard poll(&watched, 1, timeout) > 0 else { return false }
        var byte: UInt8 = 0
        return recv(socket, &byte, 1, 0) <= 0
    }

    /// Reads to the empty line; `nil` when the client goes before that.
    private func readHead(_ socket: Int32, _ received: inout [UInt8]) -> [UInt8]? {
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            if let end = received.firstRange(of: Array("\r\n\r\n".utf8)) {
                let head = Array(received[..<end.lowerBound])
                received.removeFirst(end.upperBound)
                return head
            }
            let count = recv(socket, &piece, piece.count, 0)
            if count <= 0 { return nil }
            received += piece[..<count]
        }
    }
}

private func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let error = pthread_create(
        &thread, nil,
        { context in
            if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    precondition(error == 0, "no thread can be started (errno \(error))")
    pthread_detach(thread)
}
