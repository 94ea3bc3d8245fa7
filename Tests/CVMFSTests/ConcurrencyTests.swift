import CVMFS
import FixtureTrees
import Foundation
import LocalServers
import Synchronization
import Testing

@Suite("Concurrency")
struct ConcurrencyTests {
    @Test("many readers of one cold object make one request")
    func singleFlight() async throws {
        let opened = try await OpenedFixture(Fixtures.named("tiny"), by: .http)
        let snapshot = try await opened.repository.snapshot()
        let whole = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for _ in 0..<100 { group.addTask { try await snapshot.file("/f34.so").readAll() } }
            return try await group.reduce(into: Set<[UInt8]>()) { $0.insert($1) }
        }
        #expect(whole.count == 1)
        let object = try #require(try await snapshot.entry(at: "/f34.so").object)
        let server = opened.server
        let requests = try #require(server).requests().filter { $0.target.hasSuffix(object.serverPath) }
        #expect(requests.count == 1)
    }

    @Test("concurrent readers of everything, over a small cache that evicts, get every byte right")
    func everything() async throws {
        let fixture = Fixtures.named("tinyshake")
        let folder = try TemporaryCache(limit: .mebibytes(8))
        let server = try NginxServer(serving: ["/cvmfs/\(fixture.name)": fixture.folder.path])
        let repository = try await Repository.open(
            fixture.name, from: [server.url(of: fixture.name)],
            trusting: .masterKeys(in: FilePath(fixture.keyFile.path)), cache: folder.store)
        let snapshot = try await repository.snapshot()
        let files = try fixture.entries().filter { $0.sha256 != nil }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for reader in 0..<4 {
                group.addTask {
                    var random = SeededGenerator(seed: UInt64(reader))
                    for entry in files.shuffled(using: &random) {
                        let content = try await snapshot.file(entry.path).readAll()
                        #expect(sha256(content) == entry.sha256, "\(entry.path)")
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("lookups by many threads at once agree with those of one")
    func lookups() async throws {
        let fixture = Fixtures.named("tiny")
        let opened = try await OpenedFixture(fixture)
        let snapshot = try await opened.repository.snapshot()
        let paths = try fixture.entries().map(\.path)
        let nowhere = paths.map { $0.appending("nowhere") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for reader in 0..<8 {
                group.addTask {
                    var random = SeededGenerator(seed: UInt64(reader))
                    for path in paths.shuffled(using: &random) {
                        let entry = try await snapshot.entry(at: path)
                        #expect(entry.path == path)
                    }
                    for path in nowhere {
                        let entry = try await snapshot.entryIfPresent(at: path)
                        #expect(entry == nil)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("cancelling a read ends it, its transfer too, and another reader is not disturbed")
    func cancelled() async throws {
        let fixture = Fixtures.named("tiny")
        let stalled = StallingTransport(FileTransport(at: FilePath(fixture.folder.path)))
        let cache = try TemporaryCache()
        let repository = try await Repository.open(
            fixture.name, through: stalled, trusting: .masterKeys(in: FilePath(fixture.keyFile.path)),
            cache: cache.store)
        let snapshot = try await repository.snapshot()
        let file = try await snapshot.file("/f34.so")
        let object = try #require(file.entry.object)
        stalled.hold(object.serverPath)
        let first = Task { try await file.readAll() }
        await stalled.waitUntilHeld()
        let second = Task { try await snapshot.file("/f34.so").readAll() }
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        stalled.release()
        #expect(try await second.value.count == Int(file.size))

        // Nobody is left: the transfer itself is cancelled, and nothing comes into the cache.
        let other = try await snapshot.file("/f11.py")
        let held = try #require(other.entry.object)
        stalled.hold(held.serverPath)
        let alone = Task { try await other.readAll() }
        await stalled.waitUntilHeld()
        alone.cancel()
        await #expect(throws: CancellationError.self) { try await alone.value }
        await stalled.waitUntilCancelled()
        #expect(!cache.store.contains(held))
    }

    @Test("events tell of each object why it was fetched, from where, and how many bytes came")
    func events() async throws {
        let opened = try await OpenedFixture(Fixtures.named("tiny"))
        let events = opened.repository.events()
        let snapshot = try await opened.repository.snapshot()
        let before = opened.repository.totals
        _ = try await snapshot.file("/large1.bin").read(10, at: 0)
        _ = try await snapshot.file("/f34.so").readAll()
        _ = try await snapshot.file("/f34.so").readAll()
        let object = try #require(try await snapshot.entry(at: "/f34.so").object)
        var found: [FetchEvent] = []
        for await event in events {
            found.append(event)
            if event.object == object { break }
        }
        #expect(found.contains { $0.reason == .chunk("/large1.bin", offset: 0) && $0.bytes > 0 && $0.requests == 1 })
        let last = try #require(found.last)
        #expect(last.reason == .file("/f34.so") && last.priority == .demand)
        #expect(last.source.hasPrefix("file://") && last.duration > .zero)
        let after = opened.repository.totals
        #expect(after.objects >= before.objects + 2 && after.hits > before.hits && after.bytes > before.bytes)
    }
}

/// Holds one path back until it is told, so that a test can act meanwhile.
private final class StallingTransport: ObjectTransport {
    private struct State {
        var path = ""
        var isHeld = false
        var wasCancelled = false
        var held: CheckedContinuation<Void, Never>?
        var watchers: [CheckedContinuation<Void, Never>] = []
    }

    private let transport: FileTransport
    private let state = Mutex(State())

    init(_ transport: FileTransport) { self.transport = transport }

    func hold(_ path: String) {
        state.withLock { $0 = State(path: path) }
    }

    /// Lets the held one go on, and whoever asks for it later.
    func release() {
        resume { state in
            state.path = ""
            defer { state.held = nil }
            return state.held.map { [$0] } ?? []
        }
    }

    func waitUntilHeld() async { await wait { $0.isHeld } }

    func waitUntilCancelled() async { await wait { $0.wasCancelled } }

    func fetch(_ request: TransferRequest, into sink: some ByteSink) async throws -> TransferReceipt {
        if state.withLock({ $0.path == request.path }) {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    resume { state in
                        state.isHeld = true
                        defer { state.watchers = [] }
                        // Cancelled or released before it came here.
                        if state.wasCancelled || state.path.isEmpty { return state.watchers + [continuation] }
                        state.held = continuation
                        return state.watchers
                    }
                }
            } onCancel: {
                resume { state in
                    state.wasCancelled = true
                    defer { (state.watchers, state.held) = ([], nil) }
                    return state.watchers + (state.held.map { [$0] } ?? [])
                }
            }
            try Task.checkCancellation()
        }
        return try await transport.fetch(request, into: sink)
    }

    private func wait(until condition: @Sendable (State) -> Bool) async {
        while !state.withLock({ condition($0) }) {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if condition(state) { return true }
                    state.watchers.append(continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        }
    }

    private func resume(_ change: (inout State) -> [CheckedContinuation<Void, Never>]) {
        let continuations = state.withLock { change(&$0) }
        for continuation in continuations { continuation.resume() }
    }
}
