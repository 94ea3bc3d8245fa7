/// Finds where a file is cut, by its content. Source: format 3.1.
///
/// It does not matter how the content is divided when it is fed.
struct ChunkCutter {
    /// Bytes before the smallest possible cut from which the rolling value is fed: older ones have left it.
    private static let window = 32
    private static let magic: UInt32 = 2_147_483_647

    private let minimum: Int
    private let maximum: Int
    /// Values are cuts from this one on, as many as `lastCut` says.
    private let firstCut: UInt32
    private let lastCut: UInt32
    private let feedsFrom: Int
    /// Bytes of the current chunk that were fed.
    private var position = 0
    private var rolling: UInt32 = 0

    init(_ sizes: ChunkSizes) {
        minimum = sizes.minimum
        maximum = sizes.maximum
        feedsFrom = max(0, sizes.minimum - Self.window)
        let threshold = UInt32.max / UInt32(sizes.average)
        firstCut = Self.magic &- (threshold &- 1)
        lastCut = 2 &* (threshold &- 1)
    }

    /// Feeds the next bytes of the content, and gives the offset in them of the first byte of the next chunk; `nil`
    /// when all of them belong to the current one. After a cut only the bytes before it count as fed.
    mutating func cut(_ bytes: UnsafeRawBufferPointer) -> Int? {
        let start = position
        let end = start + bytes.count
        // What comes before the window is not looked at.
        if position < feedsFrom { position = min(feedsFrom, end) }
        var rolling = self.rolling
        let beforeCuts = min(minimum, end)
        while position < beforeCuts {
            rolling = rolling << 1 ^ UInt32(bytes[position &- start])
            position &+= 1
        }
        var index = position &- start
        let stop = min(maximum, end) &- start
        while index < stop {
            rolling = rolling << 1 ^ UInt32(bytes[index])
            if rolling &- firstCut <= lastCut || rolling == .max { return restart(at: index) }
            index &+= 1
        }
        position = start &+ index
        self.rolling = rolling
        return end > maximum ? restart(at: index) : nil
    }

    private mutating func restart(at index: Int) -> Int {
        position = 0
        rolling = 0
        return index
    }
}
