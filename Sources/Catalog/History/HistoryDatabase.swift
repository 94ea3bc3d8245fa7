public import CASCore
public import SystemPackage

/// The tags of a repository, in a local SQLite file. Source: format 4.1.
///
/// As distrustful and as safe to share as `FileCatalog`.
public final class HistoryDatabase: Sendable {
    /// The repository's name.
    public let fqrn: String
    /// The history that this one succeeds; `nil` for the first.
    public let previousRevision: ContentHash?
    /// Property `schema_revision`, 0 to 3 by now.
    public let schemaRevision: Int

    private let database: Database

    /// Opens an uncompressed history file, which must not change meanwhile.
    public init(at path: FilePath) throws(CatalogError) {
        let opened = try OpenedHistory(NamedSource.opening(path, kind: "history"))
        (database, fqrn, previousRevision, schemaRevision) = opened.parts
    }

    /// Opens a history that somebody else holds open; see `FileCatalog.init(descriptor:keeping:)`.
    public init(descriptor: FileDescriptor, keeping owner: (any Sendable)?) throws(CatalogError) {
        let opened = try OpenedHistory(NamedSource.holding(descriptor, owner, kind: "history"))
        (database, fqrn, previousRevision, schemaRevision) = opened.parts
    }

    /// Opens a history that a store has.
    public init(_ object: any StoredObject) throws(CatalogError) {
        let opened = try OpenedHistory(NamedSource(object, kind: "history"))
        (database, fqrn, previousRevision, schemaRevision) = opened.parts
    }

    /// All tags, the newest first: by time, then by revision, then by name.
    public func tags() throws(CatalogError) -> [Tag] {
        try database.readAll("SELECT \(columns) FROM tags", limit: CatalogLimits.tags, decode)
            .sorted(by: Tag.isNewer)
    }

    /// The tag of a name; `nil` when there is none.
    public func tag(named name: String) throws(CatalogError) -> Tag? {
        try database.query { connection throws(CatalogError) in
            let statement = try connection.statement(0, "SELECT \(columns) FROM tags WHERE name = ?1")
            return try connection.row(of: statement, forText: Array(name.utf8), decode)
        }
    }

    /// The state of the repository at a time: of the default branch's tags that are not newer, the one with the highest
    /// revision; `nil` when all are newer.
    ///
    /// - Parameter time: in seconds since 1970.
    public func tag(notNewerThan time: Int64) throws(CatalogError) -> Tag? {
        try tags().filter { $0.branch.isEmpty && $0.timestamp <= time }
            .max { ($0.revision, $0.timestamp, $1.name) < ($1.revision, $1.timestamp, $0.name) }
    }

    /// All branches, sorted by name, the default one first.
    public func branches() throws(CatalogError) -> [Branch] {
        guard schemaRevision >= 3 else { return [Branch(name: "", parent: nil, initialRevision: 0)] }
        let label = database.label
        return try database.readAll(
            "SELECT branch, parent, initial_revision FROM branches", limit: CatalogLimits.mountpoints
        ) { row throws(CatalogError) in
            guard let name = row.text(0), let revision = row.integer(2), row.isNull(1) || row.text(1) != nil else {
                throw CatalogError(.malformedTag, "\(label): a branch has no name, or a revision that is no number")
            }
            return Branch(
                name: String(decoding: name, as: UTF8.self),
                parent: row.text(1).map { String(decoding: $0, as: UTF8.self) }, initialRevision: revision)
        }.sorted { $0.name < $1.name }
    }

    private var columns: String {
        "name, hash, revision, timestamp, channel, description, \(schemaRevision >= 1 ? "size" : "NULL"), "
            + (schemaRevision >= 3 ? "branch" : "''")
    }

    private func decode(_ row: Statement) throws(CatalogError) -> Tag {
        let name = String(decoding: row.text(0) ?? [], as: UTF8.self)
        let label = database.label
        func malformed(_ what: String) -> CatalogError {
            CatalogError(.malformedTag, "\(label): the tag \"\(name.prefix(255))\" has \(what)")
        }
        guard !name.isEmpty else { throw malformed("no name") }
        let text = String(decoding: (row.text(1) ?? []).prefix(64), as: UTF8.self)
        guard let rootHash = ContentHash(text) else { throw malformed("the hash \"\(text)\", which is none") }
        guard let revision = row.integer(2), revision >= 0 else { throw malformed("no revision") }
        guard let timestamp = row.integer(3) else { throw malformed("no time") }
        guard row.isNull(6) || row.integer(6).map({ $0 >= 0 }) == true else { throw malformed("a size below 0") }
        let size = row.integer(6) ?? 0
        return Tag(
            name: name, rootHash: rootHash, revision: UInt64(revision), timestamp: timestamp,
            description: String(decoding: row.text(5) ?? [], as: UTF8.self), size: size == 0 ? nil : size,
            channel: row.integer(4) ?? 0, branch: String(decoding: row.text(7) ?? [], as: UTF8.self))
    }
}

/// A history's file, opened and found to be one.
private struct OpenedHistory {
    let parts: (database: Database, fqrn: String, previousRevision: ContentHash?, schemaRevision: Int)

    init(_ source: NamedSource) throws(CatalogError) {
        let database = try Database(
            source, tables: ["tags", "branches"], required: ["tags"], statements: 1, options: .small)
        let properties = database.properties
        let revision = try properties.checkedRevision(of: "history")
        guard revision < 3 || database.tables["branches"] != nil else {
            throw CatalogError(.missingTable, "\(database.label) has no table branches")
        }
        guard let fqrn = properties.text("fqrn") else {
            throw CatalogError(.malformedProperty, "\(database.label) does not name its repository")
        }
        parts = (database, fqrn, try properties.hash("previous_revision"), revision)
    }
}
