import CASCore
import FixtureTrees
import Testing

@Suite("Memory for whole objects")
struct InflateBudgetTests {
    private static let mebibyte = 1 << 20

    /// Whether there is room, which is given back at once.
    private func hasRoom(_ count: Int, in budget: InflateBudget) -> Bool { budget.room(count) != nil }

    @Test("there is no room beyond the budget, and there is again when some was given back")
    func bounded() {
        let budget = InflateBudget(bytes: 4 * Self.mebibyte)
        var first = budget.room(3 * Self.mebibyte)
        let second = budget.room(Self.mebibyte)
        let isFull = first != nil && second != nil
        #expect(isFull)
        #expect(!hasRoom(1, in: budget))
        #expect(budget.mappedBytes == 4 * Self.mebibyte)
        first = nil
        #expect(budget.mappedBytes == Self.mebibyte)
        #expect(hasRoom(3 * Self.mebibyte, in: budget))
        #expect(!hasRoom(3 * Self.mebibyte + 1, in: budget))
        _ = consume second
        #expect(budget.mappedBytes == 0)
    }

    @Test(
        "a room has the size that was asked for, and can be written to its last byte",
        arguments: [0, 1, 65_536, 65_537, 3_000_000])
    func size(count: Int) {
        let budget = InflateBudget(bytes: 8 * Self.mebibyte)
        guard let room = budget.room(count) else {
            Issue.record("no room for \(count) bytes")
            return
        }
        let bytes = room.bytes
        for index in bytes.indices { bytes[index] = 0xA5 }
        #expect(bytes.count == count)
        #expect(bytes.allSatisfy { $0 == 0xA5 })
        _ = consume room
    }

    @Test("more than the budget, or less than nothing, is never given")
    func absurd() {
        let budget = InflateBudget(bytes: Self.mebibyte)
        for count in [Self.mebibyte + 1, .max, -1, .min] { #expect(!hasRoom(count, in: budget)) }
        #expect(hasRoom(Self.mebibyte, in: budget))
        #expect(!hasRoom(1, in: InflateBudget(bytes: 0)))
    }

    @Test("what is idle is used again, and gives way to what is needed")
    func idle() {
        let budget = InflateBudget(bytes: 4 * Self.mebibyte, idleBytes: 2 * Self.mebibyte)
        for _ in 0..<10 { #expect(hasRoom(2 * Self.mebibyte, in: budget)) }
        #expect(budget.mappedBytes == 2 * Self.mebibyte)
        #expect(hasRoom(4 * Self.mebibyte, in: budget))
        #expect(budget.mappedBytes == 0)
    }

    @Test("many threads at once never map more than the budget, nor get each other's room")
    func concurrently() async throws {
        let budget = InflateBudget(bytes: 2 * Self.mebibyte, idleBytes: Self.mebibyte)
        let seed = SeededGenerator(for: "threads that share a budget").seed
        let got = await withTaskGroup(of: Int.self) { group in
            for task in 0..<8 {
                group.addTask { @concurrent in
                    var random = SeededGenerator(seed: seed &+ UInt64(task))
                    var got = 0
                    for _ in 0..<300 {
                        let room = budget.room(Int.random(in: 0...600_000, using: &random))
                        #expect(budget.mappedBytes <= 2 * Self.mebibyte)
                        guard let room else { continue }
                        got += 1
                        let ends = room.bytes.prefix(64)
                        for index in ends.indices { room.bytes[index] = UInt8(task) }
                        await Task.yield()
                        #expect(ends.allSatisfy { $0 == UInt8(task) })
                    }
                    return got
                }
            }
            return await group.reduce(0, +)
        }
        #expect(got > 0)
        #expect(budget.mappedBytes <= Self.mebibyte)
    }
}
