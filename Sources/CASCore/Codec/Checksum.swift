#if libdeflate
    internal import CDeflate
#else
    internal import CZlib
#endif

/// The CRC-32 of plain content (as zlib and gzip compute it): finds a flipped bit on a disk.
///
/// It guards against damage, not against an attacker: content is trusted for the hash of its stored bytes only.
package struct Checksum: Sendable {
    package private(set) var value: UInt32 = 0

    package init() {}

    package mutating func update(_ bytes: RawSpan) {
        value = bytes.withUnsafeBytes { bytes in
            // Without an address both libraries start afresh.
            guard let start = bytes.baseAddress else { return value }
            #if libdeflate
                return libdeflate_crc32(value, start, bytes.count)
            #else
                return UInt32(
                    truncatingIfNeeded: crc32_z(UInt(value), start.assumingMemoryBound(to: UInt8.self), bytes.count))
            #endif
        }
    }

    /// The checksum of some bytes.
    package static func of(_ bytes: RawSpan) -> UInt32 {
        var checksum = Checksum()
        checksum.update(bytes)
        return checksum.value
    }
}
