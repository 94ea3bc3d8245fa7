public import CASCore
public import SystemPackage

/// An object of a repository's root that was published once. Source: format 4.2.
public struct Reference: Sendable, Hashable {
    /// `catalog`, `certificate`, `history` or `metainfo`.
    public let kind: ObjectKind
    public let hash: ContentHash
    /// When it was last signed in; on a replica, when it was copied. In seconds since 1970.
    public let timestamp: Int64

    public init(kind: ObjectKind, hash: ContentHash, timestamp: Int64) {
        self.kind = kind
        self.hash = hash
        self.timestamp = timestamp
    }

    public var object: ObjectID { ObjectID(hash, kind: kind) }
}

/// The list of a repository's root catalogs, histories, certificates and meta-information, in a local SQLite file.
/// Source: format 4.2.
///
/// As distrustful and as safe to share as `FileCatalog`.
public final class ReflogDatabase: Sendable {
    /// The repository's name.
    public let fqrn: String

    private let database: Database

    /// Opens a reflog file, which must not change meanwhile.
    public init(at path: FilePath) throws(CatalogError) {
        (database, fqrn) = try Self.open(NamedSource.opening(path, kind: "reflog"))
    }

    /// Opens a reflog that somebody else holds open; see `FileCatalog.init(descriptor:keeping:)`.
    public init(descriptor: FileDescriptor, keeping owner: (any Sendable)?) throws(CatalogError) {
        (database, fqrn) = try Self.open(NamedSource.holding(descriptor, owner, kind: "reflog"))
    }

    private static func open(_ source: NamedSource) throws(CatalogError) -> (Database, String) {
        let database = try Database(source, tables: ["refs"], required: ["refs"], statements: 0, options: .small)
        _ = try database.properties.checkedRevision(of: "reflog")
        guard let fqrn = database.properties.text("fqrn") else {
            throw CatalogError(.malformedProperty, "\(database.label) does not name its repository")
        }
        return (database, fqrn)
    }

    /// All references, the newest first, then by hash.
    public func references() throws(CatalogError) -> [Reference] {
        let label = database.label
        return try database.readAll(
            "SELECT hash, type, timestamp FROM refs", limit: CatalogLimits.references
        ) { row throws(CatalogError) in
            let text = String(decoding: (row.text(0) ?? []).prefix(64), as: UTF8.self)
            guard let hash = ContentHash(text) else {
                throw CatalogError(.malformedReference, "\(label): \"\(text)\" is no hash")
            }
            let kinds: [ObjectKind] = [.catalog, .certificate, .history, .metainfo]
            guard let type = row.integer(1), kinds.indices.contains(Int(clamping: type)) else {
                throw CatalogError(.malformedReference, "\(label): \(hash) is of no known type")
            }
            guard let timestamp = row.integer(2) else {
                throw CatalogError(.malformedReference, "\(label): \(hash) has no time")
            }
            return Reference(kind: kinds[Int(clamping: type)], hash: hash, timestamp: timestamp)
        }.sorted { ($1.timestamp, $0.hash) < ($0.timestamp, $1.hash) }
    }
}

extension CatalogOptions {
    /// For files that are read from end to end and rarely.
    static let small = CatalogOptions(cacheBytes: 128 << 10, connections: 1)
}

extension Properties {
    /// The revision of a history's or a reflog's schema, which must be 1.0.
    func checkedRevision(of kind: String) throws(CatalogError) -> Int {
        let version = try decimal("schema") ?? 1.0
        guard abs(version - 1.0) < 0.0005 else {
            throw CatalogError(.unsupportedSchema, "\(kind) schema \(text("schema") ?? "") is not supported; 1.0 is")
        }
        guard let revision = Int(exactly: try unsigned("schema_revision") ?? 0) else {
            throw malformed("schema_revision")
        }
        return revision
    }
}
