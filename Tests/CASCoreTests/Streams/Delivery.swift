import CASCore
import FixtureTrees

/// How a body is brought to a sink.
struct Delivery: Sendable, CustomStringConvertible {
    var description: String
    var expectedLength: @Sendable (_ length: Int) -> Int?
    /// The most bytes in a piece; 0 for all in one.
    var pieceBytes: Int

    static let all = [
        Delivery(description: "in one piece as announced", expectedLength: { $0 }, pieceBytes: 0),
        Delivery(description: "in one piece", expectedLength: { _ in nil }, pieceBytes: 0),
        Delivery(description: "in pieces as announced", expectedLength: { $0 }, pieceBytes: 20_000),
        Delivery(description: "in small pieces", expectedLength: { _ in nil }, pieceBytes: 40),
        Delivery(description: "announced too short", expectedLength: { $0 - 1 }, pieceBytes: 20_000),
        Delivery(description: "announced far too short", expectedLength: { _ in 0 }, pieceBytes: 0),
        Delivery(description: "announced too long", expectedLength: { $0 + 1 }, pieceBytes: 20_000),
        Delivery(description: "announced absurdly long", expectedLength: { _ in .max }, pieceBytes: 0),
        Delivery(description: "announced with less than nothing", expectedLength: { _ in .min }, pieceBytes: 3000),
    ]

    /// One whole attempt.
    func deliver(
        _ body: [UInt8], to sink: some ByteSink, random: inout SeededGenerator
    ) throws {
        try sink.restart(expectedLength: expectedLength(body.count))
        if pieceBytes == 0 {
            try sink.write(body.span.bytes)
        } else {
            for cut in random.cuts(of: body.count, atMost: pieceBytes) {
                try sink.write(body.span.bytes.extracting(cut))
            }
        }
        try sink.finish()
    }
}
