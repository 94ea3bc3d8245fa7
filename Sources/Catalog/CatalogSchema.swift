/// The version of a catalog's layout. Source: format 3.
public struct CatalogSchema: Sendable, Hashable {
    /// Property `schema`: 2.5, 2.4, or below 2.0; a little off where a writer has rounded it. Without it, 1.0; a
    /// catalog of 1.0 that has no hashes of its nested catalogs counts as 0.9, as in the reference.
    public let version: Double
    /// Property `schema_revision`, 0 to 7 by now; 0 without it.
    public let revision: Int

    public init(version: Double, revision: Int) {
        self.version = version
        self.revision = revision
    }

    /// How far two versions may differ and still be the same.
    private static let tolerance = 0.0005

    private func isVersion(_ other: Double) -> Bool { abs(version - other) < Self.tolerance }

    init(_ properties: Properties, tables: [String: String]) throws(CatalogError) {
        var version = try properties.decimal("schema") ?? 1.0
        guard let revision = Int(exactly: try properties.unsigned("schema_revision") ?? 0) else {
            throw properties.malformed("schema_revision")
        }
        if let nested = tables["nested_catalogs"], abs(version - 1.0) < Self.tolerance, !nested.contains("sha1") {
            version = 0.9
        }
        self.init(version: version, revision: revision)
        guard version > 0, isVersion(2.5) || isVersion(2.4) || isLegacy else {
            throw CatalogError(
                .unsupportedSchema,
                "catalog schema \(properties.text("schema") ?? "") is not supported; 2.5, 2.4 and those below 2.0 are")
        }
    }

    /// Below 2.0: no link counts, owners, chunks, xattrs or counters.
    var isLegacy: Bool { version < 2.0 - Self.tolerance }

    var is25: Bool { isVersion(2.5) }

    var hasHashesOfNestedCatalogs: Bool { !isVersion(0.9) }
    var hasSizesOfNestedCatalogs: Bool { is25 && revision >= 1 }
    var hasXattrs: Bool { !isLegacy && revision >= 2 }
    var hasBindMountpoints: Bool { is25 && revision >= 4 }
    var hasNanoseconds: Bool { !isLegacy && revision >= 7 }

    /// The tables that a catalog of this schema must have.
    var tables: Set<String> {
        var tables: Set = ["properties", "catalog", "nested_catalogs"]
        if !isLegacy { tables.formUnion(["chunks", "statistics"]) }
        if hasBindMountpoints { tables.insert("bind_mountpoints") }
        return tables
    }

    /// Counters that a catalog of this schema need not have.
    func mayLack(counter: String) -> Bool {
        guard is25 else { return true }
        if counter.hasSuffix("_special") { return revision < 5 }
        if counter.hasSuffix("_external") || counter.hasSuffix("_external_file_size") { return revision < 3 }
        if counter.hasSuffix("_xattr") { return revision < 2 }
        return false
    }
}
