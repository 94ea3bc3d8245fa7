/// What a `ContentDecoder` knows of the attempt that is under way.
struct DecoderState: ~Copyable {
    /// Whether an attempt has begun that neither failed nor ended.
    var isOpen = false
    /// What the source said of the body's length; it may lie.
    var expectedLength: Int?
    /// Bytes of the body so far.
    var stored: Int64 = 0
    /// Bytes of the content so far, and their checksum.
    var plain: Int64 = 0
    var checksum = Checksum()
    /// Whether the bytes so far are the whole object.
    var isVerified = false
    var hasher: ContentHasher?
    /// While stored bytes are collected: room for them, and behind it for the content.
    var room: InflateRoom?
    /// Once the content is unpacked as the bytes come.
    var inflater: Inflater?
    var result: (size: Int64, checksum: UInt32)?

    mutating func restart(expectedLength: Int?) {
        giveBackParts()
        self.expectedLength = expectedLength
        stored = 0
        plain = 0
        checksum = Checksum()
        isVerified = false
        result = nil
    }

    /// Lets others use what this attempt needs no longer.
    mutating func giveBackParts() {
        hasher = nil
        room = nil
        if let inflater = inflater.take() { Inflater.pool.put(inflater) }
    }
}
