/// One block of 512 bytes that begins an entry of a tar archive. Source: POSIX pax, ustar interchange format; GNU tar.
struct TarHeader {
    static let blockSize = 512

    /// The block's bytes.
    let bytes: [UInt8]

    /// `nil` when the checksum is not that of the bytes.
    init?(_ bytes: [UInt8]) {
        self.bytes = bytes
        guard let stored = Self.octal(bytes[148..<156]) else { return nil }
        var unsigned: Int64 = 0
        // Old programs added the bytes as signed numbers.
        var signed: Int64 = 0
        for (index, byte) in bytes.enumerated() {
            let counted = (148..<156).contains(index) ? 0x20 : byte
            unsigned += Int64(counted)
            signed += Int64(Int8(bitPattern: counted))
        }
        guard stored == unsigned || stored == signed else { return nil }
    }

    var type: UInt8 { bytes[156] }

    /// Whether the fields behind the magic are ustar's, `prefix` among them.
    var isUstar: Bool { bytes[257..<263].elementsEqual("ustar\0".utf8) }

    /// GNU tar's own format, where the place of `prefix` has other things.
    var isGNU: Bool { bytes[257..<265].elementsEqual("ustar  \0".utf8) }

    var path: [UInt8] {
        let name = text(0..<100)
        let prefix = isUstar ? text(345..<500) : []
        return prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
    }

    var linkTarget: [UInt8] { text(157..<257) }
    var mode: Int64? { number(100..<108) }
    var uid: Int64? { number(108..<116) }
    var gid: Int64? { number(116..<124) }
    var size: Int64? { number(124..<136) }
    var mtime: Int64? { number(136..<148) }
    var deviceMajor: Int64? { number(329..<337) }
    var deviceMinor: Int64? { number(337..<345) }

    func text(_ range: Range<Int>) -> [UInt8] { Array(bytes[range].prefix { $0 != 0 }) }

    /// An octal number, or a binary one when the first bit is set; `nil` for neither. An empty field is 0.
    func number(_ range: Range<Int>) -> Int64? {
        let field = bytes[range]
        guard let first = field.first, first & 0x80 != 0 else { return Self.octal(field) }
        // Big-endian two's complement in all bits but the first; the second is the sign's.
        var value: Int64 = first & 0x40 != 0 ? -1 : 0
        for (index, byte) in field.enumerated() {
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 256)
            guard !overflow else { return nil }
            value = shifted | Int64(index == 0 ? byte & 0x7F | (byte & 0x40) << 1 : byte)
        }
        return value
    }

    private static func octal(_ field: ArraySlice<UInt8>) -> Int64? {
        let text = field.prefix { $0 != 0 }.drop { $0 == 0x20 }
        let digits = text.prefix { $0 != 0x20 }
        guard text[digits.endIndex...].allSatisfy({ $0 == 0x20 }) else { return nil }
        var value: Int64 = 0
        for digit in digits {
            guard (0x30...0x37).contains(digit), value >> 60 == 0 else { return nil }
            value = value << 3 | Int64(digit - 0x30)
        }
        return value
    }
}
