import CASCore
import Catalog
import FixtureTrees
import SystemPackage

/// The catalogs of a repository that the reference's programs made, unpacked one by one.
struct FixtureCatalogs {
    let repository: FixtureRepository
    private let folder: TemporaryFolder

    init(_ repository: FixtureRepository) throws {
        self.repository = repository
        folder = try TemporaryFolder()
    }

    /// The content of an object.
    func content(_ object: ObjectID, size: ContentSize = .atMost(Limits.unknownObjectBytes)) throws -> [UInt8] {
        let stored = try repository.bytes(object.serverPath)
        return try object.unpack(stored.span.bytes, size: size)
    }

    /// Unpacks an object into a file.
    func file(_ object: ObjectID) throws -> FilePath { try folder.write(try content(object), to: "\(object)") }

    func open(_ object: ObjectID, at mountPath: RepositoryPath? = nil) throws -> FileCatalog {
        try FileCatalog(at: try file(object), mountedAt: mountPath)
    }

    /// The catalog's hash that a field of the manifest names.
    func manifestHash(_ field: Character) throws -> ContentHash {
        guard let hash = try repository.manifest()[field].flatMap({ ContentHash($0) }) else {
            throw CatalogError(.io, "\(repository): the manifest has no \(field)")
        }
        return hash
    }

    /// The root catalogs of the newest revision and of all before it, as far as they are there.
    func rootCatalogs() throws -> [FileCatalog] {
        var roots: [FileCatalog] = []
        var next: ContentHash? = try manifestHash("C")
        while let hash = next {
            let object = ObjectID(hash, kind: .catalog)
            guard (try? repository.bytes(object.serverPath)) != nil else { break }
            roots.append(try open(object))
            next = roots.last?.properties.previousRevision
        }
        return roots
    }

    /// A catalog and all that are nested in it, the deepest first.
    func withNested(_ root: FileCatalog) throws -> [FileCatalog] {
        try root.nestedCatalogs().flatMap { try withNested(open($0.object, at: $0.path)) } + [root]
    }
}

/// A whole tree, put together from its catalogs.
struct FixtureTree {
    /// Every entry with the catalog it is from; of a mountpoint, the one in the nested catalog.
    private(set) var entries: [(path: RepositoryPath, entry: CatalogEntry, catalog: FileCatalog)] = []

    init(_ root: FileCatalog, of catalogs: FixtureCatalogs) throws {
        guard let entry = try root.rootEntry() else { throw CatalogError(.io, "no root entry") }
        try add(.root, entry, root, catalogs)
    }

    private mutating func add(
        _ path: RepositoryPath, _ entry: CatalogEntry, _ catalog: FileCatalog, _ catalogs: FixtureCatalogs
    ) throws {
        if entry.isNestedMountpoint {
            guard let nested = try catalog.nestedCatalog(at: path) else {
                throw CatalogError(.io, "\(path) is not nested")
            }
            let below = try catalogs.open(nested.object, at: path)
            guard let root = try below.rootEntry() else { throw CatalogError(.io, "\(path) has no root") }
            return try add(path, root, below, catalogs)
        }
        entries.append((path, entry, catalog))
        guard entry.isDirectory else { return }
        for child in try catalog.listByName(path) { try add(path.appending(child.name), child, catalog, catalogs) }
    }
}
