import Testing

@testable import Transport

@Suite("the buffer between loop and task")
struct BodyPipeTests {
    private static func append(_ bytes: [UInt8], to pipe: BodyPipe) -> BodyPipe.Acceptance {
        bytes.withUnsafeBytes { pipe.append($0) }
    }

    @Test("a small body that is complete is one delivery")
    func small() async {
        let pipe = BodyPipe()
        pipe.start(expectedLength: 5)
        #expect(Self.append([1, 2], to: pipe) == .taken)
        #expect(Self.append([3, 4, 5], to: pipe) == .taken)
        pipe.finish(.success(1))
        var spare: [UInt8] = []
        let delivery = await pipe.next(recycling: &spare)
        #expect(delivery.start?.expectedLength == 5 && delivery.bytes == [1, 2, 3, 4, 5])
        #expect((try? delivery.outcome?.get()) == 1 && !delivery.wasFull && !delivery.isCancelled)
    }

    @Test("what does not fit is not taken, and the task is told that the loop waits")
    func full() async {
        let pipe = BodyPipe()
        pipe.start(expectedLength: nil)
        let piece = [UInt8](repeating: 9, count: TransportLimits.bufferedBytes - 1)
        #expect(Self.append(piece, to: pipe) == .taken)
        #expect(Self.append([1, 2], to: pipe) == .full)
        var spare: [UInt8] = []
        let first = await pipe.next(recycling: &spare)
        #expect(first.wasFull && first.bytes == piece && first.outcome == nil)
        #expect(Self.append([1, 2], to: pipe) == .taken)
        pipe.finish(.success(2))
        spare = first.bytes
        let second = await pipe.next(recycling: &spare)
        #expect(!second.wasFull && second.bytes == [1, 2] && second.start == nil)
    }

    @Test("a piece larger than the buffer passes through an empty one")
    func oversized() async {
        let pipe = BodyPipe()
        #expect(Self.append([UInt8](repeating: 1, count: 2 * TransportLimits.bufferedBytes), to: pipe) == .taken)
        #expect(Self.append([1], to: pipe) == .full)
    }

    @Test("a task that waits is woken by the end, by enough bytes, and by closing")
    func waking() async {
        for wake in 0..<3 {
            let pipe = BodyPipe()
            async let delivery = {
                var spare: [UInt8] = []
                return await pipe.next(recycling: &spare)
            }()
            await Task.yield()
            switch wake {
            case 0: pipe.finish(.failure(TransportError(.timeout, "late")))
            case 1: _ = Self.append([UInt8](repeating: 1, count: TransportLimits.deliveryBytes), to: pipe)
            default: pipe.close()
            }
            let got = await delivery
            #expect(got.isCancelled == (wake == 2))
            #expect((got.outcome != nil) == (wake == 0))
            #expect(got.bytes.count == (wake == 1 ? TransportLimits.deliveryBytes : 0))
        }
    }

    @Test("after closing nothing is taken, and only the first end counts")
    func closed() async {
        let pipe = BodyPipe()
        pipe.finish(.success(1))
        pipe.finish(.failure(TransportError(.other, "too late")))
        pipe.close()
        #expect(pipe.isClosed && Self.append([1], to: pipe) == .closed)
        var spare: [UInt8] = []
        let delivery = await pipe.next(recycling: &spare)
        #expect((try? delivery.outcome?.get()) == 1)
    }
}
