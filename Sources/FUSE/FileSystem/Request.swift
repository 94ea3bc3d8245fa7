/// Who asks, and under which number.
public struct Request: Sendable {
    /// The kernel's number of the request; unique on a connection.
    public let unique: UInt64
    public let node: NodeID
    /// The effective user and group, and the thread, as the namespaces of the process that mounted see them. 0 for what the kernel does by itself.
    public let user: UInt32
    public let group: UInt32
    public let process: UInt32

    /// Whether it was sent again, after the process that first read it was replaced.
    public var isResent: Bool { unique & Self.resentBit != 0 }

    static let resentBit: UInt64 = 1 << 63
}
