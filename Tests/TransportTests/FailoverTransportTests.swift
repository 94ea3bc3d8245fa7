import CASCore
import CVMFSTesting
import LocalServers
import Synchronization
import Testing

@testable import Transport

@Suite("several servers")
struct FailoverTransportTests {
    /// A sink that knows what it wants, and calls anything else bad data.
    private static func sink(wanting body: [UInt8]) -> VerifyingSink { VerifyingSink(body) }

    /// A world whose clock stands still unless it is moved, and in which pauses take no time.
    private final class World: Sendable {
        private let state = Mutex((now: Duration.zero, pauses: [Duration]()))

        var pauses: [Duration] { state.withLock { $0.pauses } }

        func advance(by duration: Duration) { state.withLock { $0.now += duration } }

        var surroundings: FailoverTransport.Surroundings {
            FailoverTransport.Surroundings(
                now: { self.state.withLock { $0.now } },
                sleep: { pause in self.state.withLock { $0.pauses.append(pause) } },
                random: { 0.25 })
        }
    }

    private static func failover(
        _ urls: [String], world: World = World(), options: HTTPOptions = HostileServerTests.hasty
    ) throws -> FailoverTransport {
        let transports = try urls.map { try HTTPTransport(ServerURL($0), options: options) }
        return try FailoverTransport(transports, policy: RetryPolicy(), surroundings: world.surroundings)
    }

    private static func respond(_ body: String) -> [HostileServer.Step] {
        [.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")]
    }

    @Test("a dead server is asked twice, then left by all downloads, and tried again after half an hour")
    func deadServer() async throws {
        let first = try NginxServer(serving: [:])
        let second = try ServedResources(["a": [1], "b": [2]])
        first.stop()
        let world = World()
        let transport = try Self.failover(["\(first.url)/cvmfs/test", second.url], world: world)
        let receipt = try await transport.fetch(TransferRequest("a", limit: 1), into: Self.sink(wanting: [1]))
        #expect(receipt == TransferReceipt(source: second.url, bytes: 1, requests: 3))
        #expect(world.pauses == [.seconds(0.5)])
        let next = try await transport.fetch(TransferRequest("b", limit: 1), into: Self.sink(wanting: [2]))
        #expect(next == TransferReceipt(source: second.url, bytes: 1, requests: 1))
        // It comes back, but nobody asks it before the time is over.
        try first.restart { $0.folders = ["/cvmfs/test": second.folder.path] }
        world.advance(by: .seconds(1799))
        #expect(
            try await transport.fetch(TransferRequest("a", limit: 1), into: Self.sink(wanting: [1])).source
                == second.url)
        world.advance(by: .seconds(1))
        let reset = try await transport.fetch(TransferRequest("a", limit: 1), into: Self.sink(wanting: [1]))
        #expect(reset.source == "\(first.url)/cvmfs/test")
    }

    @Test("what one server has not got another may have")
    func absence() async throws {
        let first = try ServedResources(["a": [1]])
        let second = try ServedResources(["b": [2]])
        let transport = try Self.failover([first.url, second.url])
        let receipt = try await transport.fetch(TransferRequest("b", limit: 1), into: Self.sink(wanting: [2]))
        #expect(receipt == TransferReceipt(source: second.url, bytes: 1, requests: 2))
        let error = await #expect(throws: TransportError.self) {
            try await transport.fetch(TransferRequest("c", limit: 1), into: RecordingSink())
        }
        #expect(error?.code == .notFound && error?.status == 404)
        #expect(error?.message.contains("notFound, notFound") == true)
        #expect(try first.server.requests().count == 2 && second.server.requests().count == 2)
    }

    @Test("a corrupted copy in a cache is fetched anew past it")
    func corruptedOnce() async throws {
        let server = try HostileServer { request in
            Self.respond(request.header("Cache-Control") == "no-cache" ? "right" : "wrong")
        }
        let transport = try Self.failover([server.url])
        let receipt = try await transport.fetch(
            TransferRequest("a", limit: 5), into: Self.sink(wanting: Array("right".utf8)))
        #expect(receipt == TransferReceipt(source: server.url, bytes: 10, requests: 2))
        #expect(server.requests.map { $0.header("Pragma") } == [nil, "no-cache"])
    }

    @Test("what is corrupted on one server comes from the next, without passing by caches")
    func corruptedServer() async throws {
        let bad = try HostileServer { _ in Self.respond("wrong") }
        let good = try HostileServer { _ in Self.respond("right") }
        let transport = try Self.failover([bad.url, good.url])
        let receipt = try await transport.fetch(
            TransferRequest("a", limit: 5), into: Self.sink(wanting: Array("right".utf8)))
        #expect(receipt == TransferReceipt(source: good.url, bytes: 15, requests: 3))
        #expect(bad.requests.map { $0.header("Cache-Control") } == [nil, "no-cache"])
        #expect(good.requests.map { $0.header("Cache-Control") } == [nil])
    }

    @Test("when all are corrupted the sink's error comes out")
    func corruptedEverywhere() async throws {
        let bad = try HostileServer { _ in Self.respond("wrong") }
        let dead = try NginxServer(serving: [:])
        dead.stop()
        let transport = try Self.failover([bad.url, dead.url])
        let error = await #expect(throws: CASError.self) {
            try await transport.fetch(TransferRequest("a", limit: 5), into: Self.sink(wanting: Array("right".utf8)))
        }
        #expect(error?.code == .hashMismatch)
    }

    @Test("a squid that holds a corrupted object is made to get it anew")
    func squid() async throws {
        let right = [UInt8](repeating: 1, count: 10_000)
        let served = try ServedResources(["data/ab/object": [UInt8](repeating: 2, count: 10_000)])
        let squid = try SquidServer()
        let options = HTTPOptions(proxy: try Proxy(squid.url))
        let transport = try FailoverTransport(servers: [served.url], options: options)
        // The squid takes the bad copy, and the server gets the right one.
        _ = try await served.transport(options).fetch(
            TransferRequest("data/ab/object", limit: 10_000), into: RecordingSink())
        try served.folder.write(right, to: "data/ab/object")
        let receipt = try await transport.fetch(
            TransferRequest("data/ab/object", limit: 10_000), into: Self.sink(wanting: right))
        #expect(receipt == TransferReceipt(source: served.url, bytes: 20_000, requests: 2))
        // Once is enough for everybody.
        let again = try await transport.fetch(
            TransferRequest("data/ab/object", limit: 10_000), into: Self.sink(wanting: right))
        #expect(again.requests == 1)
        let requests = try served.server.requests()
        #expect(
            requests.count == 2 && requests.last?.cacheControl.contains("no-cache") == true)
    }

    @Test("a transfer that breaks is tried again, and the sink begins anew")
    func brokenTransfer() async throws {
        let server = try HostileServer { request in
            request.number == 0
                ? [
                    .send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + String(repeating: "x", count: 200_000)),
                    .close,
                ]
                : Self.respond("right")
        }
        let world = World()
        let sink = RecordingSink()
        let receipt = try await Self.failover([server.url], world: world)
            .fetch(TransferRequest("a", limit: 300_000), into: sink)
        #expect(sink.bytes == Array("right".utf8) && sink.isFinished)
        #expect(receipt.requests == 2 && world.pauses == [.seconds(0.5)])
    }

    @Test("a sink's own trouble is final, and passed on as it is")
    func sinkTrouble() async throws {
        let server = try HostileServer { _ in Self.respond("right") }
        let transport = try Self.failover([server.url, server.url])
        let full = CASError(.noSpace, "full")
        let error = await #expect(throws: CASError.self) {
            try await transport.fetch(
                TransferRequest("a", limit: 5), into: RecordingSink { if case .finish = $0 { throw full } })
        }
        #expect(error?.code == .noSpace && server.requests.count == 1)
    }

    @Test("a task that is cancelled during a pause ends at once", .timeLimit(.minutes(5)))
    func cancelledPause() async throws {
        let server = try HostileServer { _ in [.reset] }
        var policy = RetryPolicy()
        policy.backoffInitial = .seconds(1_000_000)
        policy.backoffMaximum = .seconds(1_000_000)
        let transport = try FailoverTransport(servers: [server.url], policy: policy)
        let task = Task { try await transport.fetch(TransferRequest("a", limit: 5), into: RecordingSink()) }
        try await eventually("it was refused") { server.requests.count == 1 }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("what a server says counts more than that another cannot be asked")
    func mostTelling() async throws {
        let dead = try NginxServer(serving: [:])
        dead.stop()
        let ill = try HostileServer { _ in [.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")] }
        let empty = try ServedResources([:])
        func code(_ urls: [String]) async throws -> TransportError.Code? {
            let transport = try Self.failover(urls)
            return await #expect(throws: TransportError.self) {
                try await transport.fetch(TransferRequest("a", limit: 5), into: RecordingSink())
            }?.code
        }
        #expect(try await code([dead.url, empty.url]) == .notFound)
        #expect(try await code([empty.url, dead.url]) == .notFound)
        #expect(try await code([empty.url, ill.url]) == .serverStatus)
        #expect(try await code([ill.url, empty.url]) == .serverStatus)
        #expect(try await code([dead.url, ill.url]) == .serverStatus)
        #expect(try await code([dead.url]) == .cannotConnect)
    }

    @Test("http and file can be mixed, with placeholders; none or too many are refused")
    func servers() async throws {
        let served = try ServedResources(["test.example.org/a": [1]])
        let transport = try FailoverTransport(
            servers: ["\(served.server.url)/cvmfs/absent", "file://\(served.folder.path)/@fqrn@"],
            repository: "test.example.org")
        let receipt = try await transport.fetch(TransferRequest("a", limit: 1), into: Self.sink(wanting: [1]))
        #expect(receipt.source == "file://\(served.folder.path)/test.example.org")
        for servers in [[], Array(repeating: "http://h", count: 65), ["http://h", "nonsense"]] {
            let error = #expect(throws: TransportError.self) { try FailoverTransport(servers: servers) }
            #expect(error?.code == .invalidConfiguration)
        }
    }
}

/// Takes bytes, and finds at the end that they are wrong unless they are those it wants.
private final class VerifyingSink: ByteSink {
    private let wanted: [UInt8]
    private let recorder = RecordingSink()

    init(_ wanted: [UInt8]) { self.wanted = wanted }

    func restart(expectedLength: Int?) throws { try recorder.restart(expectedLength: expectedLength) }

    func write(_ bytes: RawSpan) throws { try recorder.write(bytes) }

    func finish() throws {
        guard recorder.bytes == wanted else { throw CASError(.hashMismatch, "other bytes than wanted") }
    }
}
