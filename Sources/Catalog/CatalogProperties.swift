public import CASCore

/// What a catalog says of itself: table `properties`. Source: format 3, properties.
public struct CatalogProperties: Sendable {
    /// All properties as they are stored, by key.
    public let values: [String: [UInt8]]
    /// The catalog's own revision; of a root catalog, the repository's.
    public let revision: UInt64
    /// The catalog that this one succeeds; `nil` for the first.
    public let previousRevision: ContentHash?
    /// When it was made, in seconds since 1970.
    public let lastModified: Int64?
    /// The path of its root in the repository that it was made for.
    public let rootPrefix: RepositoryPath
    /// For how many seconds a root catalog may be taken for the newest; `nil` when it does not say (240 then).
    public let ttl: UInt64?
    /// Whether the repository's files should be the first to leave a cache.
    public let isVolatile: Bool
    /// `<scheme>%<requirement>`, when access is restricted.
    public let authorization: String?

    init(_ properties: Properties) throws(CatalogError) {
        values = properties.values
        revision = try properties.unsigned("revision") ?? 0
        previousRevision = try properties.hash("previous_revision")
        lastModified = try properties.integer("last_modified")
        let prefix = properties.values["root_prefix"] ?? []
        rootPrefix = RepositoryPath(bytes: prefix)
        guard rootPrefix.bytes == prefix, !prefix.contains(0) else { throw properties.malformed("root_prefix") }
        ttl = try properties.unsigned("TTL")
        isVolatile = try properties.integer("volatile") ?? 0 != 0
        authorization = properties.text("voms_authz")
    }
}
