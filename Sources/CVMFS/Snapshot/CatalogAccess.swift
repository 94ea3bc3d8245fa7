internal import CASCore
internal import Catalog

/// How a snapshot's parts reach its catalogs: on the pool, with the path in every error.
extension Snapshot {
    func remember(_ attributes: CatalogEntry, at key: EntryCache.Key) -> Entry {
        entries.remember(attributes, at: key)
        return Entry(path: key.path, attributes: attributes)
    }

    /// The catalog in which a directory's children are, loaded if need be.
    func catalog(ofChildrenIn path: RepositoryPath) async throws -> FileCatalog {
        while true {
            let holder = try await BlockingPool.shared.run { [self] in
                try reading("\(path)") { () throws(CatalogError) in try tree.holder(ofChildrenIn: path) }
            }
            switch holder {
            case .loaded(let mounted): return mounted.catalog
            case .missing(let nested): _ = try await tree.load(nested)
            }
        }
    }

    /// Runs a query on the catalog that has an entry.
    func inCatalog<Result: Sendable>(
        of entry: Entry, _ body: @escaping @Sendable (FileCatalog) throws(CatalogError) -> Result
    ) async throws -> Result {
        let catalog = try await catalog(ofChildrenIn: entry.path.parent ?? .root)
        return try await BlockingPool.shared.run { [self] in
            try reading("\(entry.path)") { () throws(CatalogError) in try body(catalog) }
        }
    }

    func reading<Result>(
        _ what: @autoclosure () -> String, _ body: () throws(CatalogError) -> Result
    ) throws -> Result {
        do {
            return try body()
        } catch {
            throw CVMFSError.during("cannot read \(what()) of \(repository) at \(rootHash)", error)
        }
    }
}
