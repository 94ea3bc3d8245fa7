import CASCore
import CVMFSTesting
import FixtureTrees
import LocalServers
import Synchronization
import Testing

@testable import Transport

@Suite("HTTP connections")
struct HTTPTransportTests {
    private static let hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

    private static func loop(total: Int = 64, perServer: Int = 16) -> HTTPEventLoop {
        var limits = ConnectionLimits()
        limits.total = total
        limits.perServer = perServer
        return HTTPEventLoop(limits: limits)
    }

    @Test("requests one after another use one connection, also after errors and parts")
    func reuse() async throws {
        let served = try ServedResources(["a": Array("hello".utf8), "large": [UInt8](repeating: 1, count: 1 << 20)])
        let transport = try served.transport(eventLoop: Self.loop())
        for index in 0..<40 {
            switch index % 4 {
            case 0: _ = try await transport.fetch(TransferRequest("a", limit: 5), into: RecordingSink())
            case 1:
                await #expect(throws: TransportError.self) {
                    try await transport.fetch(TransferRequest("absent", limit: 5), into: RecordingSink())
                }
            case 2:
                _ = try await transport.fetch(TransferRequest("a", limit: 5, range: 1..<3), into: RecordingSink())
            default:
                _ = try await transport.fetch(TransferRequest("large", limit: 1 << 20), into: RecordingSink())
            }
        }
        let requests = try served.server.requests()
        #expect(requests.count == 40)
        #expect(Set(requests.map(\.connection)).count == 1)
        #expect(requests.map(\.status) == (0..<40).map { [200, 404, 206, 200][$0 % 4] })
        #expect(requests.map(\.bodyBytes).filter { $0 == 1 << 20 }.count == 10)
    }

    @Test("transports to one server share its connections")
    func sharing() async throws {
        let served = try ServedResources(["a": [1]])
        let loop = Self.loop()
        for _ in 0..<10 {
            _ = try await served.transport(eventLoop: loop).fetch(TransferRequest("a", limit: 5), into: RecordingSink())
        }
        #expect(try Set(served.server.requests().map(\.connection)).count == 1)
    }

    @Test("a connection that the server has closed is replaced without an error")
    func serverRestarts() async throws {
        let served = try ServedResources(["a": [1]])
        let transport = try served.transport()
        for _ in 0..<3 {
            _ = try await transport.fetch(TransferRequest("a", limit: 5), into: RecordingSink())
            served.server.stop()
            try served.server.start()
        }
        let requests = try served.server.requests()
        #expect(requests.map(\.status) == [200, 200, 200])
    }

    @Test("HTTP/2 carries many requests on one connection")
    func multiplexing() async throws {
        let bodies = Dictionary(
            uniqueKeysWithValues: (0..<40).map { ("\($0)", [UInt8](repeating: UInt8($0), count: $0 * 10_000)) })
        let served = try ServedResources(bodies, tls: .http2)
        var options = HTTPOptions()
        options.certificateAuthorities = served.server.certificateFile
        let server = try ServerURL("\(served.server.secureURL)/cvmfs/test")
        let transport = try HTTPTransport(server, options: options, eventLoop: Self.loop())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (path, body) in bodies {
                group.addTask {
                    let sink = RecordingSink()
                    _ = try await transport.fetch(TransferRequest(path, limit: 1 << 30), into: sink)
                    #expect(sink.bytes == body)
                }
            }
            try await group.waitForAll()
        }
        let requests = try served.server.requests()
        #expect(requests.count == 40 && requests.allSatisfy { $0.version == "HTTP/2.0" })
        #expect(Set(requests.map(\.connection)).count == 1)
    }

    @Test("the request says what it must, and nothing else")
    func headers() async throws {
        let server = try HostileServer { _ in [.send(Self.hello)] }
        let transport = try HTTPTransport(ServerURL("\(server.url)/cvmfs/x"), eventLoop: Self.loop())
        _ = try await transport.fetch(TransferRequest("data/ab/c%20d", limit: 5), into: RecordingSink())
        _ = try await transport.fetch(TransferRequest("a", limit: 5, bypassesCaches: true), into: RecordingSink())
        _ = try await transport.fetch(TransferRequest("b", limit: 5, range: 0..<10), into: RecordingSink())
        _ = try await transport.fetch(TransferRequest("c", limit: 5), into: RecordingSink())
        let host = "Host: \(server.url.dropFirst("http://".count))"
        let agent = "User-Agent: \(HTTPOptions().userAgent)"
        let requests = server.requests.map { [$0.lines.first ?? ""] + $0.lines.dropFirst().sorted() }
        #expect(
            requests == [
                ["GET /cvmfs/x/data/ab/c%20d HTTP/1.1", "Accept: */*", host, agent],
                ["GET /cvmfs/x/a HTTP/1.1", "Accept: */*", "Cache-Control: no-cache", host, "Pragma: no-cache", agent],
                ["GET /cvmfs/x/b HTTP/1.1", "Accept: */*", host, "Range: bytes=0-9", agent],
                ["GET /cvmfs/x/c HTTP/1.1", "Accept: */*", host, agent],
            ])
        #expect(agent.hasPrefix("User-Agent: cvmfs "))
        #expect(server.connections == 1)
    }

    @Test("the environment's proxies are not asked")
    func environment() async {
        await #expect(processExitsWith: .success) {
            let server = try HostileServer { _ in [.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")] }
            for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
                setEnvironment(name, "http://127.0.0.1:1")
            }
            let transport = try HTTPTransport(ServerURL(server.url))
            _ = try await transport.fetch(TransferRequest("a", limit: 5), into: RecordingSink())
            // Nor are its exceptions from a proxy that was chosen.
            setEnvironment("no_proxy", "*")
            let proxied = try HTTPTransport(
                ServerURL("http://server.invalid"), options: HTTPOptions(proxy: try Proxy(server.url)))
            _ = try await proxied.fetch(TransferRequest("a", limit: 5), into: RecordingSink())
            #expect(server.requests.map(\.target) == ["/a", "http://server.invalid/a"])
        }
    }

    @Test("redirections are followed when that is asked for, and counted")
    func redirections() async throws {
        let server = try HostileServer { request in
            request.target == "/d"
                ? [.send(Self.hello)]
                : [
                    .send(
                        "HTTP/1.1 302 There\r\nLocation: /\(request.target == "/a" ? "b" : "d")\r\nContent-Length: 3\r\n\r\nxyz"
                    )
                ]
        }
        var options = HTTPOptions()
        options.followsRedirects = true
        let sink = RecordingSink()
        let receipt = try await HTTPTransport(ServerURL(server.url), options: options)
            .fetch(TransferRequest("a", limit: 5), into: sink)
        #expect(sink.bytes == Array("hello".utf8) && sink.calls.first == .restart(expectedLength: 5))
        #expect(receipt == TransferReceipt(source: server.url, bytes: 5, requests: 3))
    }

    @Test("no more transfers run than are allowed, and the rest waits", .timeLimit(.minutes(5)))
    func bound() async throws {
        let gate = Gate()
        let server = try HostileServer { _ in [.run { gate.wait() }, .send(Self.hello)] }
        let loop = Self.loop(perServer: 4)
        let transport = try HTTPTransport(ServerURL(server.url), eventLoop: loop)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<20 {
                group.addTask {
                    _ = try await transport.fetch(TransferRequest("\(index)", limit: 5), into: RecordingSink())
                }
            }
            try await eventually("all are on their way") { loop.statistics.waiting == 16 }
            try await eventually("the server has four") { server.requests.count == 4 }
            gate.open()
            try await group.waitForAll()
        }
        try await eventually("all have ended") { loop.statistics.ended == 20 }
        #expect(loop.statistics == LoopStatistics(ended: 20, mostRunning: 4))
        #expect(server.connections == 4 && server.requests.count == 20)
    }

    @Test("what is waited for overtakes what is prefetched", .timeLimit(.minutes(5)))
    func priorities() async throws {
        let gate = Gate()
        let server = try HostileServer { request in
            request.number == 0 ? [.run { gate.wait() }, .send(Self.hello)] : [.send(Self.hello)]
        }
        let loop = Self.loop(perServer: 1)
        let transport = try HTTPTransport(ServerURL(server.url), eventLoop: loop)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, priority) in [FetchPriority.demand, .prefetch, .prefetch, .demand, .prefetch, .demand]
                .enumerated()
            {
                group.addTask {
                    let request = TransferRequest("\(priority)\(index)", limit: 5, priority: priority)
                    _ = try await transport.fetch(request, into: RecordingSink())
                }
                try await eventually("it is queued") { loop.statistics.waiting + loop.statistics.running == index + 1 }
            }
            gate.open()
            try await group.waitForAll()
        }
        let order = ["/demand0", "/demand3", "/demand5", "/prefetch1", "/prefetch2", "/prefetch4"]
        #expect(server.requests.map(\.target) == order)
    }

    @Test("a slow sink makes the server wait, and holds no more than the buffer", .timeLimit(.minutes(5)))
    func backPressure() async throws {
        var generator = SeededGenerator(for: "back-pressure")
        let size = 8 << 20
        let body = generator.noise(size)
        let served = try ServedResources(["large": body])
        let loop = Self.loop()
        let transport = try served.transport(eventLoop: loop)
        // A sink that takes the next piece only when the loop has stopped reading, a few times.
        let pauses = Atomic<Int>(0)
        let sink = RecordingSink { call in
            guard case .write(let count) = call else { return }
            #expect(count <= TransportLimits.bufferedBytes)
            let seen = pauses.load(ordering: .relaxed)
            guard seen < 10 else { return }
            for _ in 0..<60_000 where loop.statistics.pauses <= seen { pauseThread() }
            pauses.store(loop.statistics.pauses, ordering: .relaxed)
        }
        _ = try await BlockingPool.shared.runTask {
            try await transport.fetch(TransferRequest("large", limit: Int64(size)), into: sink)
        }
        #expect(loop.statistics.pauses >= 10)
        let isWhole = sink.bytes == body
        #expect(isWhole)
    }

    @Test(
        "a transfer that is paused can be cancelled, on HTTP/1.1 and HTTP/2", .timeLimit(.minutes(5)),
        arguments: [false, true])
    func cancelWhilePaused(http2: Bool) async throws {
        let served = try ServedResources(
            ["large": [UInt8](repeating: 7, count: 24 << 20), "small": [1]], tls: .http2)
        let loop = Self.loop()
        var options = HTTPOptions()
        options.certificateAuthorities = served.server.certificateFile
        let server = try ServerURL(http2 ? "\(served.server.secureURL)/cvmfs/test" : served.url)
        let transport = try HTTPTransport(server, options: options, eventLoop: loop)
        let sink = RecordingSink { call in
            guard case .write = call else { return }
            while loop.statistics.pauses == 0 { pauseThread() }
            withUnsafeCurrentTask { $0?.cancel() }
        }
        await #expect(throws: CancellationError.self) {
            try await BlockingPool.shared.runTask {
                try await transport.fetch(TransferRequest("large", limit: 1 << 30), into: sink)
            }
        }
        try await eventually("the loop has let go of it") { loop.statistics.running == 0 }
        _ = try await transport.fetch(TransferRequest("small", limit: 1), into: RecordingSink())
    }

    @Test("a cancelled transfer ends at once, and its connection with it", .timeLimit(.minutes(5)))
    func cancellation() async throws {
        let server = try HostileServer { request in
            request.target == "/stall"
                ? [.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhello"), .stall] : [.send(Self.hello)]
        }
        let loop = Self.loop(perServer: 1)
        let transport = try HTTPTransport(ServerURL(server.url), eventLoop: loop)
        let stalled = Task { try await transport.fetch(TransferRequest("stall", limit: 1000), into: RecordingSink()) }
        try await eventually("the server has it") { server.requests.count == 1 }
        let queued = Task { try await transport.fetch(TransferRequest("queued", limit: 1000), into: RecordingSink()) }
        try await eventually("the other one waits") { loop.statistics.waiting == 1 }
        queued.cancel()
        await #expect(throws: CancellationError.self) { try await queued.value }
        stalled.cancel()
        await #expect(throws: CancellationError.self) { try await stalled.value }
        try await eventually("the connection is closed") { server.openConnections == 0 }
        _ = try await transport.fetch(TransferRequest("after", limit: 1000), into: RecordingSink())
        #expect(server.requests.map(\.target) == ["/stall", "/after"] && server.connections == 2)
        #expect(loop.statistics.running == 0 && loop.statistics.waiting == 0)
    }

    @Test("a sink that fails in the middle ends the transfer and its connection", .timeLimit(.minutes(5)))
    func failingSink() async throws {
        struct Full: Error {}
        let server = try HostileServer { request in
            request.target == "/endless"
                ? [.send("HTTP/1.1 200 OK\r\n\r\n"), .sendForever(String(repeating: "x", count: 10_000))]
                : [.send(Self.hello)]
        }
        let transport = try HTTPTransport(ServerURL(server.url))
        await #expect(throws: Full.self) {
            try await transport.fetch(
                TransferRequest("endless", limit: 1 << 40),
                into: RecordingSink { if case .write = $0 { throw Full() } })
        }
        try await eventually("the connection is closed") { server.openConnections == 0 }
        _ = try await transport.fetch(TransferRequest("a", limit: 5), into: RecordingSink())
    }

    @Test("a storm of cancellations leaves nothing behind", .timeLimit(.minutes(5)), arguments: [false, true])
    func cancellationStorm(http2: Bool) async throws {
        var generator = SeededGenerator(for: "storm of cancellations")
        let body = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        let served = try ServedResources(["large": body, "small": Array(body.prefix(1000))], tls: .http2)
        let loop = Self.loop(perServer: 6)
        var options = HTTPOptions()
        options.certificateAuthorities = served.server.certificateFile
        let server = try ServerURL(http2 ? "\(served.server.secureURL)/cvmfs/test" : served.url)
        let transport = try HTTPTransport(server, options: options, eventLoop: loop)
        let tasks = (0..<300).map { index in
            let isLarge = Bool.random(using: &generator)
            let victim = Int.random(in: 0..<8, using: &generator)
            let task = Task {
                let sink = RecordingSink { call in
                    // Some cancel themselves when their response begins.
                    if victim == 0, case .restart = call { withUnsafeCurrentTask { $0?.cancel() } }
                }
                _ = try await transport.fetch(TransferRequest(isLarge ? "large" : "small", limit: 1 << 30), into: sink)
                return sink.bytes == (isLarge ? body : Array(body.prefix(1000)))
            }
            if victim == 1 { task.cancel() }
            return (task, victim)
        }
        // Others are cancelled while they wait or run.
        for (task, victim) in tasks where victim == 2 || victim == 3 {
            task.cancel()
            await Task.yield()
        }
        for (task, victim) in tasks {
            switch await task.result {
            case .success(let isWhole): #expect(isWhole)
            case .failure(let error): #expect(error is CancellationError && victim < 4)
            }
        }
        try await eventually("the loop holds nothing") {
            loop.statistics.running == 0 && loop.statistics.waiting == 0
        }
        #expect(loop.statistics.mostRunning == 6)
    }

    @Test("a loop that nobody uses ends, with its thread and its connections", .timeLimit(.minutes(5)))
    func loopEnds() async throws {
        let server = try HostileServer { _ in [.send(Self.hello)] }
        weak var core: LoopCore?
        func use() async throws {
            let loop = Self.loop()
            core = loop.core
            let transport = try HTTPTransport(ServerURL(server.url), eventLoop: loop)
            _ = try await transport.fetch(TransferRequest("a", limit: 5), into: RecordingSink())
            #expect(server.openConnections == 1)
        }
        try await use()
        try await eventually("its core is gone") { core == nil }
        try await eventually("its connections are closed") { server.openConnections == 0 }
    }

    @Test("a file's URL is not one for HTTP, nor the other way round")
    func wrongScheme() {
        #expect(throws: TransportError.self) { try HTTPTransport(ServerURL("file:///srv")) }
        #expect(throws: TransportError.self) { try FileTransport(ServerURL("http://h")) }
    }

    @Test("requests that no server should get are refused before any is sent")
    func badRequests() async throws {
        let server = try HostileServer { _ in [.send(Self.hello)] }
        let transport = try HTTPTransport(ServerURL(server.url))
        for request in [
            TransferRequest("../x", limit: 1), TransferRequest("a\r\nX: y", limit: 1),
            TransferRequest("a", limit: 1, range: -1..<3),
        ] {
            let error = await #expect(throws: TransportError.self) {
                try await transport.fetch(request, into: RecordingSink())
            }
            #expect(error?.code == .invalidConfiguration)
        }
        #expect(server.requests.isEmpty)
    }
}
