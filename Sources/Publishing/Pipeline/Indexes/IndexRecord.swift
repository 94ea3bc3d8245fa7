internal import CASCore

/// The value of a row with a checksum over it and its key: a damaged file may be read for long before SQLite notices.
enum IndexRecord {
    static func sealed(_ value: [UInt8], for key: [UInt8]) -> [UInt8] {
        value + withUnsafeBytes(of: checksum(value, key).littleEndian) { Array($0) }
    }

    /// The value; `nil` when it is not what was written.
    static func opened(_ record: [UInt8], for key: [UInt8]) -> [UInt8]? {
        guard record.count >= 4 else { return nil }
        let value = Array(record.dropLast(4))
        return sealed(value, for: key) == record ? value : nil
    }

    private static func checksum(_ value: [UInt8], _ key: [UInt8]) -> UInt32 {
        var checksum = Checksum()
        checksum.update(key.span.bytes)
        checksum.update(value.span.bytes)
        return checksum.value
    }
}
