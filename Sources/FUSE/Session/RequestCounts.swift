internal import Synchronization

/// How many requests of each kind reached the session.
///
/// The pointer is written once and freed with the last user; what it points to is atomic.
final class RequestCounts: @unchecked Sendable {
    /// Opcodes from here on are counted together.
    private static let kinds = 64
    private let counters: UnsafeMutablePointer<Atomic<UInt64>>
    private let unanswered = Atomic<UInt64>(0)

    init() {
        counters = .allocate(capacity: Self.kinds)
        for index in 0..<Self.kinds { (counters + index).initialize(to: Atomic(0)) }
    }

    deinit {
        counters.deinitialize(count: Self.kinds)
        counters.deallocate()
    }

    func count(_ opcode: UInt32) {
        counters[min(Int(opcode), Self.kinds - 1)].add(1, ordering: .relaxed)
    }

    func countUnanswered() { unanswered.add(1, ordering: .relaxed) }

    /// By the protocol's opcode.
    subscript(opcode: Int) -> UInt64 { counters[min(opcode, Self.kinds - 1)].load(ordering: .relaxed) }

    var total: UInt64 { (0..<Self.kinds).reduce(0) { $0 + self[$1] } }
    var refused: UInt64 { unanswered.load(ordering: .relaxed) }
}
