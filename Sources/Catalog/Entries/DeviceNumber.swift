/// The number of a device node.
public struct DeviceNumber: Sendable, Hashable {
    public let major: UInt32
    public let minor: UInt32

    public init(major: UInt32, minor: UInt32) {
        self.major = major
        self.minor = minor
    }

    /// Takes a number apart as Linux puts it together, which is how catalogs keep it. Source: format 3, size.
    public init(linux number: UInt64) {
        major = UInt32(truncatingIfNeeded: number >> 8 & 0xFFF | number >> 32 & 0xFFFF_F000)
        minor = UInt32(truncatingIfNeeded: number & 0xFF | number >> 12 & 0xFFFF_FF00)
    }

    /// The number as Linux puts it together (`makedev`).
    public var linux: UInt64 {
        let (major, minor) = (UInt64(major), UInt64(minor))
        return (major & 0xFFF) << 8 | (major & 0xFFFF_F000) << 32 | minor & 0xFF | (minor & 0xFFFF_FF00) << 12
    }
}
