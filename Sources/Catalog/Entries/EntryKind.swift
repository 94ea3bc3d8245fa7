/// What kind of file an entry is: the type bits of its mode.
public enum EntryKind: UInt32, Sendable, Hashable, CaseIterable {
    case fifo = 0o010000
    case character = 0o020000
    case directory = 0o040000
    case block = 0o060000
    case file = 0o100000
    case symlink = 0o120000
    case socket = 0o140000

    /// The bits of a mode that hold the kind.
    public static let mask: UInt32 = 0o170000

    /// `nil` when the type bits are none of a file's.
    public init?(mode: UInt32) { self.init(rawValue: mode & Self.mask) }

    public var isDevice: Bool { self == .character || self == .block }

    /// Whether it is a fifo, a socket or a device.
    public var isSpecial: Bool { isDevice || self == .fifo || self == .socket }
}
