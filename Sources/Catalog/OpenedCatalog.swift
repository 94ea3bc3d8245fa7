internal import CASCore

/// A catalog's file, opened and found to be one.
struct OpenedCatalog: Sendable {
    let database: Database
    let columns: EntryColumns
    let properties: CatalogProperties

    init(_ source: NamedSource, _ options: CatalogOptions) throws(CatalogError) {
        let database = try Database(
            source, tables: ["catalog", "chunks", "nested_catalogs", "bind_mountpoints", "statistics"],
            required: ["catalog", "nested_catalogs"], statements: Query.allCases.count, options: options)
        let schema = try CatalogSchema(database.properties, tables: database.tables)
        if let missing = schema.tables.sorted().first(where: { database.tables[$0] == nil }) {
            throw CatalogError(.missingTable, "\(database.label) has no table \(missing)")
        }
        let properties = try CatalogProperties(database.properties)
        let columns = EntryColumns(schema: schema, label: database.label, rootKey: properties.rootPrefix.key)
        // Finds out now whether the columns are there.
        try database.query { connection throws(CatalogError) in _ = try connection.statement(.entryByKey, columns) }
        self.database = database
        self.columns = columns
        self.properties = properties
    }
}
