import CASCore
import FixtureTrees
import Testing

@Suite("Collecting a body in memory")
struct MemorySinkTests {
    @Test("a body is collected, however it comes", arguments: Delivery.all)
    func collected(delivery: Delivery) throws {
        var random = SeededGenerator(for: "memory sink \(delivery)")
        let sink = MemorySink(limit: 5000)
        for length in [5000, 0, 1, 4999] {
            let body = random.noise(length)
            try delivery.deliver(body, to: sink, random: &random)
            expectSame(sink.bytes, body)
        }
    }

    @Test("a longer body than allowed is refused", arguments: Delivery.all)
    func tooLong(delivery: Delivery) throws {
        var random = SeededGenerator(for: "memory sink's limit \(delivery)")
        for limit in [0, 1, 4999] {
            let sink = MemorySink(limit: limit)
            let body = random.noise(5000)
            let error = #expect(throws: CASError.self) { try delivery.deliver(body, to: sink, random: &random) }
            #expect(error?.code == .tooLarge)
            #expect(sink.bytes.count <= limit)
        }
    }
}
