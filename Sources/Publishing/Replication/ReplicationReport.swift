public import CASCore

/// What a pull has done.
public struct ReplicationReport: Sendable, Hashable {
    /// The revision that the replica has now.
    public var revision: UInt64 = 0
    public var rootHash: ContentHash?
    /// Whether the replica had that revision already.
    public var isUnchanged = false
    /// Catalogs, and all objects (those included), that were copied.
    public var catalogs = 0
    public var objects = 0
    /// Bytes of them, as stored.
    public var bytes: Int64 = 0
    /// Objects that were there already.
    public var known = 0

    public init() {}
}
