/// Writes a name part by part into a string's own storage: a name is made for every fetch, with one allocation.
struct TextWriter: ~Copyable {
    private let buffer: UnsafeMutableBufferPointer<UInt8>
    private var count = 0

    /// A string of what the closure writes, at most 64 bytes. The longest name is `data/`, 40 digits with a slash
    /// between, a suffix of 9 and a letter; more is a programming error and traps.
    static func text(_ body: (inout TextWriter) -> Void) -> String {
        String(unsafeUninitializedCapacity: 64) { buffer in
            var writer = TextWriter(buffer: buffer)
            body(&writer)
            return writer.count
        }
    }

    private init(buffer: UnsafeMutableBufferPointer<UInt8>) { self.buffer = buffer }

    mutating func append(_ text: String) {
        for byte in text.utf8 { append(byte) }
    }

    /// The letter of a kind, if it has one.
    mutating func append(_ kind: ObjectKind) {
        if kind != .file { append(kind.rawValue) }
    }

    /// The hash's hexadecimal digits.
    /// - Parameter inFolder: puts a slash behind the first two.
    mutating func append(_ hash: ContentHash, inFolder: Bool = false) {
        hash.withDigest { digest in
            for index in 0..<digest.byteCount {
                let byte = digest.unsafeLoad(fromByteOffset: index, as: UInt8.self)
                append(Self.digit(byte >> 4))
                append(Self.digit(byte & 15))
                if inFolder && index == 0 { append(UInt8(ascii: "/")) }
            }
        }
    }

    private mutating func append(_ byte: UInt8) {
        precondition(count < buffer.count, "a name is longer than any can be")
        buffer[count] = byte
        count += 1
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value + (value < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
    }
}
