/// The extended header of a tar entry: keys with values, which may hold any byte. Source: POSIX pax, extended header.
struct PaxRecords {
    /// Of a key that occurs twice the last value counts.
    private(set) var values: [[UInt8]: [UInt8]] = [:]
    /// The data segments of a sparse file in GNU's format 0.0, whose keys repeat.
    private(set) var sparseOffsets: [[UInt8]] = []
    private(set) var sparseSizes: [[UInt8]] = []

    init() {}

    /// `nil` when the bytes are not a sequence of records.
    init?(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while let first = rest.first, first != 0 {
            guard let space = rest.firstIndex(of: 0x20), let length = Self.decimal(rest[..<space]),
                length <= Int64(rest.count), length > Int64(space - rest.startIndex) + 1
            else { return nil }
            let record = rest.prefix(Int(length))
            rest = rest.dropFirst(Int(length))
            let body = record[(space + 1)...]
            guard body.last == 0x0A, let equals = body.firstIndex(of: UInt8(ascii: "=")), equals > body.startIndex
            else { return nil }
            let (key, value) = (Array(body[..<equals]), Array(body[(equals + 1)...].dropLast()))
            switch String(decoding: key, as: UTF8.self) {
            case "GNU.sparse.offset": sparseOffsets.append(value)
            case "GNU.sparse.numbytes": sparseSizes.append(value)
            default: values[key] = value
            }
        }
    }

    /// The value of a key. An empty one takes back what a global header says, so it counts as none.
    subscript(key: String) -> [UInt8]? {
        guard let value = values[Array(key.utf8)], !value.isEmpty else { return nil }
        return value
    }

    /// These records, and under them those of a global header.
    func over(_ global: PaxRecords) -> PaxRecords {
        guard !global.values.isEmpty else { return self }
        var merged = self
        merged.values = global.values.merging(values) { _, own in own }
        return merged
    }

    /// The extended attributes, as GNU tar and libarchive write them.
    var xattrs: [[UInt8]: [UInt8]] {
        let (plain, encoded) = (Array("SCHILY.xattr.".utf8), Array("LIBARCHIVE.xattr.".utf8))
        var found: [[UInt8]: [UInt8]] = [:]
        for (key, value) in values where key.count > encoded.count && key.starts(with: encoded) {
            guard let decoded = Self.base64(value) else { continue }
            found[Self.percentDecoded(key[encoded.count...])] = decoded
        }
        for (key, value) in values where key.count > plain.count && key.starts(with: plain) {
            found[Array(key[plain.count...])] = value
        }
        return found
    }

    /// A number of at most 18 digits.
    static func decimal(_ text: some Collection<UInt8>) -> Int64? {
        guard !text.isEmpty, text.count <= 18 else { return nil }
        var value: Int64 = 0
        for digit in text {
            guard (0x30...0x39).contains(digit) else { return nil }
            value = value * 10 + Int64(digit - 0x30)
        }
        return value
    }

    /// A time as `-12.5`: whole seconds, rounded down, and the nanoseconds to be added.
    static func time(_ text: [UInt8]) -> (seconds: Int64, nanoseconds: Int32)? {
        let isNegative = text.first == UInt8(ascii: "-")
        let parts = text.dropFirst(isNegative ? 1 : 0)
            .split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, let seconds = decimal(whole) else { return nil }
        var nanoseconds: Int64 = 0
        var hasMore = false
        if parts.count == 2, !parts[1].isEmpty {
            guard parts[1].allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            let digits = Array(parts[1].prefix(9)) + [UInt8](repeating: 0x30, count: max(0, 9 - parts[1].count))
            guard let value = decimal(digits) else { return nil }
            nanoseconds = value
            hasMore = parts[1].dropFirst(9).contains { $0 != 0x30 }
        }
        guard isNegative else { return (seconds, Int32(nanoseconds)) }
        // What is cut off makes a negative time earlier.
        if hasMore { nanoseconds += 1 }
        return nanoseconds == 0
            ? (-seconds, 0)
            : nanoseconds == 1_000_000_000 ? (-seconds - 1, 0) : (-seconds - 1, Int32(1_000_000_000 - nanoseconds))
    }

    private static func percentDecoded(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                decoded.append(value)
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        return decoded
    }

    private static func base64(_ text: [UInt8]) -> [UInt8]? {
        var decoded: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in text where byte != UInt8(ascii: "=") && byte != 0x0A {
            let value: UInt8
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            decoded.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        return decoded
    }
}
