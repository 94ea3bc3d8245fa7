/// The plain bytes of an archive, buffered for the headers between the contents.
final class TarInput {
    private let stream: DecompressedStream
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)
    private var available = 0..<0
    /// How many bytes were taken so far.
    private(set) var position: Int64 = 0

    init(_ stream: DecompressedStream) { self.stream = stream }

    deinit { buffer.deallocate() }

    /// The next block of 512 bytes; `nil` at the end.
    func block() throws(PublishingError) -> [UInt8]? {
        let bytes = try bytes(TarHeader.blockSize)
        if bytes.isEmpty { return nil }
        guard bytes.count == TarHeader.blockSize else { throw truncated }
        return bytes
    }

    /// As many bytes as there are, at most `count`.
    func bytes(_ count: Int) throws(PublishingError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count, try refill() {
            let taken = take(count - bytes.count)
            bytes.append(contentsOf: buffer[taken])
        }
        return bytes
    }

    /// Puts the next bytes at the start of a buffer: how many, 0 at the end.
    func read(into target: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        // Large contents pass the buffer by.
        if available.isEmpty, target.count >= buffer.count {
            let count = try stream.read(into: target)
            position += Int64(count)
            return count
        }
        guard try refill() else { return 0 }
        let taken = take(target.count)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[taken]))
        return taken.count
    }

    /// Passes over bytes, all of which must be there.
    func skip(_ count: Int64) throws(PublishingError) {
        var left = count
        while left > 0 {
            guard try refill() else { throw truncated }
            left -= Int64(take(Int(min(left, Int64(buffer.count)))).count)
        }
    }

    private func refill() throws(PublishingError) -> Bool {
        if available.isEmpty { available = 0..<(try stream.read(into: buffer)) }
        return !available.isEmpty
    }

    private func take(_ count: Int) -> Range<Int> {
        let taken = available.prefix(count)
        available = taken.upperBound..<available.upperBound
        position += Int64(taken.count)
        return taken
    }

    private var truncated: PublishingError {
        PublishingError(.source, "\(stream.label) is truncated: it ends after \(position) bytes, in the middle")
    }
}
