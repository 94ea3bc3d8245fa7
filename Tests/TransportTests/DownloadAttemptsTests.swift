import CASCore
import Testing

@testable import Transport

@Suite("retry and fail-over, as values")
struct DownloadAttemptsTests {
    /// Plays failures and writes down the attempts: the server's number, `!` for past caches, `~` for after a pause.
    private static func course(
        servers: Int, _ failures: [FailureClass], bypassing: Bool = false, maxRetries: Int = 1, random: Double = 0.5
    ) -> [String] {
        var policy = RetryPolicy()
        policy.maxRetries = maxRetries
        var ring = ServerRing(count: servers, resetAfter: .seconds(1800))
        var attempts = DownloadAttempts(
            startingAt: ring.serverForNewDownload(at: .zero), bypassesCaches: bypassing, policy: policy)
        var course = [text(attempts.current)]
        for failure in failures {
            guard let next = attempts.next(after: failure, ring: &ring, now: .zero, random: { random }) else {
                return course + ["end"]
            }
            course.append(text(next))
        }
        return course
    }

    private static func text(_ attempt: DownloadAttempts.Attempt) -> String {
        "\(attempt.server)" + (attempt.bypassesCaches ? "!" : "") + (attempt.pause > .zero ? "~" : "")
    }

    @Test("a transfer that failed is tried again after a pause, then the next server is asked")
    func transfers() {
        #expect(Self.course(servers: 1, [.transfer, .transfer]) == ["0", "0~", "end"])
        #expect(Self.course(servers: 2, [.transfer, .transfer, .transfer]) == ["0", "0~", "1", "end"])
        #expect(Self.course(servers: 1, [.transfer], maxRetries: 0) == ["0", "end"])
        #expect(
            Self.course(servers: 2, Array(repeating: .transfer, count: 5), maxRetries: 3)
                == ["0", "0~", "0~", "0~", "1", "end"])
    }

    @Test("an answer sends to the next server, until each was asked once")
    func answers() {
        #expect(Self.course(servers: 1, [.answer]) == ["0", "end"])
        #expect(Self.course(servers: 3, [.answer, .answer, .answer]) == ["0", "1", "2", "end"])
    }

    @Test("bad data is asked for once more past caches, then elsewhere")
    func badData() {
        #expect(
            Self.course(servers: 2, [.badData, .badData, .badData, .badData]) == ["0", "0!", "1", "1!", "end"])
        #expect(Self.course(servers: 2, [.badData, .answer, .badData]) == ["0", "0!", "1", "1!"])
        // A transfer past caches is not tried again.
        #expect(Self.course(servers: 2, [.badData, .transfer, .transfer]) == ["0", "0!", "1", "1~"])
    }

    @Test("a request past caches stays one on every server")
    func bypassing() {
        #expect(
            Self.course(servers: 2, [.badData, .transfer], bypassing: true) == ["0!", "1!", "end"])
    }

    @Test("what nothing can change ends it", arguments: 1...3)
    func final(servers: Int) {
        #expect(Self.course(servers: servers, [.final]) == ["0", "end"])
        #expect(Self.course(servers: servers, [.badData, .final]) == ["0", "0!", "end"])
    }

    @Test("pauses begin at random below their first limit, double, and end at their last")
    func pauses() {
        var policy = RetryPolicy()
        policy.maxRetries = 6
        for (random, seconds) in [
            (0.0, [0, 0, 0, 0, 0, 0.0]), (0.5, [1, 2, 4, 8, 10, 10]), (1, [2, 4, 8, 10, 10, 10]),
        ] {
            var ring = ServerRing(count: 1, resetAfter: .zero)
            var attempts = DownloadAttempts(startingAt: 0, bypassesCaches: false, policy: policy)
            let pauses = (0..<6).map { _ in
                attempts.next(after: .transfer, ring: &ring, now: .zero, random: { random })?.pause
            }
            #expect(pauses == seconds.map { Duration.seconds($0) })
        }
    }

    @Test("every course of failures keeps the rules", arguments: [1, 2, 3], [0, 1, 2])
    func exhaustive(servers: Int, maxRetries: Int) {
        for bypassing in [false, true] {
            follow([], servers: servers, maxRetries: maxRetries, bypassing: bypassing)
        }
    }

    /// Goes through all courses that begin with these failures.
    private func follow(_ failures: [FailureClass], servers: Int, maxRetries: Int, bypassing: Bool) {
        let course = Self.course(servers: servers, failures, bypassing: bypassing, maxRetries: maxRetries)
        check(course, failures, servers: servers, maxRetries: maxRetries, bypassing: bypassing)
        if course.last == "end" { return }
        for failure in FailureClass.allCases {
            follow(failures + [failure], servers: servers, maxRetries: maxRetries, bypassing: bypassing)
        }
    }

    private func check(
        _ course: [String], _ failures: [FailureClass], servers: Int, maxRetries: Int, bypassing: Bool
    ) {
        let attempts = course.filter { $0 != "end" }
        let numbers = attempts.compactMap { $0.first?.wholeNumberValue }
        // Servers are asked one after another, each in one piece.
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $1 == $0 || $1 == $0 + 1 })
        #expect(numbers.allSatisfy { $0 < servers })
        // Pauses are the retries, which are bounded and never past caches.
        let retries = attempts.filter { $0.hasSuffix("~") }
        #expect(retries.count <= maxRetries && retries.allSatisfy { !$0.contains("!") })
        for (index, failure) in failures.enumerated() where index + 1 < course.count {
            let (before, after) = (course[index], course[index + 1])
            let isBypassing = before.contains("!")
            let lastServer = numbers[index] == servers - 1
            let elsewhere = lastServer ? "end" : "\(numbers[index] + 1)" + (bypassing ? "!" : "")
            switch failure {
            case .final: #expect(after == "end")
            case .answer: #expect(after == elsewhere)
            case .badData: #expect(after == (isBypassing ? elsewhere : "\(numbers[index])!"))
            case .transfer:
                let earlier = course[...index].filter { $0.hasSuffix("~") }.count
                #expect(after == (isBypassing || earlier == maxRetries ? elsewhere : "\(numbers[index])~"))
            }
        }
    }

    @Test("errors are sorted as the format has it")
    func classes() {
        func sorted(_ code: TransportError.Code, _ status: Int? = nil) -> FailureClass {
            FailureClass(TransportError(code, "", status: status))
        }
        for code in TransportError.Code.allCases {
            let expected: FailureClass =
                switch code {
                case .cannotConnect, .timeout, .incompleteTransfer, .tlsFailed, .tooManyRedirects: .transfer
                case .hostNotResolved, .proxyNotResolved, .notFound, .serverStatus, .proxyStatus, .other: .answer
                case .tooLong: .badData
                case .invalidConfiguration: .final
                }
            #expect(sorted(code) == expected)
        }
        #expect(sorted(.serverStatus, 503) == .answer)
        #expect(sorted(.serverStatus, 429) == .transfer)
        for code in CASError.Code.allCases {
            let error = CASError(code, "")
            #expect(FailureClass(error) == (error.isBadData ? .badData : .final))
        }
        #expect(FailureClass(CancellationError()) == .final)
    }
}

@Suite("the ring of servers")
struct ServerRingTests {
    @Test("a server that another download has left is not left again")
    func leavesOnce() {
        var ring = ServerRing(count: 3, resetAfter: .seconds(1800))
        ring.leave(0, at: .zero)
        ring.leave(0, at: .zero)
        #expect(ring.current == 1)
        ring.leave(2, at: .zero)
        #expect(ring.current == 1)
        ring.leave(1, at: .zero)
        ring.leave(2, at: .zero)
        #expect(ring.current == 0 && ring.departure == nil)
    }

    @Test("goes back to the first server so long after it was first left")
    func resets() {
        var ring = ServerRing(count: 3, resetAfter: .seconds(1800))
        ring.leave(0, at: .seconds(100))
        ring.leave(1, at: .seconds(1000))
        #expect(ring.serverForNewDownload(at: .seconds(1899.9)) == 2)
        #expect(ring.serverForNewDownload(at: .seconds(1900)) == 0)
        ring.leave(0, at: .seconds(2000))
        #expect(ring.serverForNewDownload(at: .seconds(3799)) == 1)
        #expect(ring.serverForNewDownload(at: .seconds(3800)) == 0)
    }

    @Test("a reset after no time never takes place")
    func neverResets() {
        var ring = ServerRing(count: 2, resetAfter: .zero)
        ring.leave(0, at: .zero)
        #expect(ring.serverForNewDownload(at: .seconds(1_000_000)) == 1)
    }

    @Test("one server stays")
    func single() {
        var ring = ServerRing(count: 1, resetAfter: .seconds(1))
        ring.leave(0, at: .zero)
        #expect(ring.current == 0 && ring.departure == nil)
    }

    @Test("a download asks a server that others moved to, and each only once")
    func movesWithOthers() {
        var ring = ServerRing(count: 3, resetAfter: .seconds(1800))
        var attempts = DownloadAttempts(startingAt: 0, bypassesCaches: false, policy: RetryPolicy())
        ring.leave(0, at: .zero)
        ring.leave(1, at: .zero)
        var asked = [0]
        while let next = attempts.next(after: .answer, ring: &ring, now: .zero, random: { 0 }) {
            asked.append(next.server)
        }
        #expect(asked == [0, 2, 1])
    }
}
