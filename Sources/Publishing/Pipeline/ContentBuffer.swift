internal import CASCore

/// Plain content in memory on its way from the source to the thread that packs it. The memory goes back to the budget
/// with the buffer.
///
/// `@unchecked`: one task at a time has it. The reader fills it and hands it on to the task that packs it.
final class ContentBuffer: @unchecked Sendable {
    /// From this size on memory comes from the system itself, and stays mapped for the next content: a fresh page
    /// costs a fault and its zeroing, and `malloc` would keep what is freed beyond every bound.
    private static let mappedFrom = 128 << 10

    private final class Mapped {
        let room: InflateRoom

        init(_ room: consuming InflateRoom) { self.room = room }
    }

    private let budget: MemoryBudget
    private let memory: UnsafeMutableRawBufferPointer
    /// What the memory belongs to; `nil` when it is the buffer's own.
    private let mapped: Mapped?
    private var charge: Int
    private(set) var count = 0

    /// Waits for the budget. - Throws: `CancellationError`, or `storage` without memory.
    static func make(capacity: Int, from budget: MemoryBudget) async throws -> ContentBuffer {
        let charge = charge(capacity)
        try await budget.take(charge)
        guard let buffer = ContentBuffer(capacity: capacity, charge: charge, budget: budget) else {
            budget.give(charge)
            throw PublishingError(.storage, "the system has no memory for \(capacity) bytes of content")
        }
        return buffer
    }

    private init?(capacity: Int, charge: Int, budget: MemoryBudget) {
        self.budget = budget
        self.charge = charge
        if capacity >= Self.mappedFrom {
            guard let room = budget.rooms.room(capacity) else { return nil }
            memory = room.bytes
            mapped = Mapped(room)
        } else {
            memory = .allocate(byteCount: max(1, capacity), alignment: 16)
            mapped = nil
        }
    }

    deinit {
        if mapped == nil { memory.deallocate() }
        budget.give(charge)
    }

    /// Content, the same packed, and what goes with a small file: task, name, state.
    private static func charge(_ bytes: Int) -> Int { 2 * bytes + (4 << 10) }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<count]) }

    /// What is not filled yet.
    var room: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: memory[count...]) }

    func filled(_ more: Int) { count += more }

    /// Copies bytes into the room, which they fit in.
    func append(_ bytes: UnsafeRawBufferPointer) {
        room.copyMemory(from: bytes)
        count += bytes.count
    }

    /// Ends the content earlier; gives back what the buffer will not need.
    func end(at end: Int) {
        count = end
        let needed = min(charge, Self.charge(end))
        budget.give(charge - needed)
        charge = needed
    }
}
