import CASCore
import Catalog
import CatalogFixtures
import Foundation
import SystemPackage

/// A catalog that a test has made, and the folder it lies in.
struct MadeCatalog {
    let folder: TemporaryFolder
    let path: FilePath

    /// Makes a catalog that has a root; `fill` adds the rest.
    init(
        layout: CatalogLayout = .newest, rootPrefix: RepositoryPath = .root, pageSize: Int = 1024,
        addsRoot: Bool = true,
        _ fill: (CatalogMaker) throws -> Void = { _ in }
    ) throws {
        folder = try TemporaryFolder()
        path = FilePath(folder.path("catalog.db"))
        let maker = try CatalogMaker(at: path.string, layout: layout, rootPrefix: rootPrefix, pageSize: pageSize)
        if addsRoot {
            try maker.add(.directory(rootPrefix).with { if !rootPrefix.isRoot { $0.flags |= 32 } })
        }
        try fill(maker)
        try maker.finish()
    }

    func open(at mountPath: RepositoryPath? = nil) throws -> FileCatalog {
        try FileCatalog(at: path, mountedAt: mountPath)
    }

    func bytes() throws -> [UInt8] { try Array(Data(contentsOf: URL(filePath: path.string))) }
}

/// The code of the error that `body` throws; `nil` when it throws none, or another kind of error.
func code(_ body: () throws -> Void) -> CatalogError.Code? {
    do {
        try body()
    } catch let error as CatalogError {
        return error.code
    } catch {
        return nil
    }
    return nil
}

extension FileCatalog {
    /// All entries of a directory, in stored order.
    func list(_ path: RepositoryPath, includingHidden: Bool = false) throws -> [CatalogEntry] {
        var cursor = try entries(in: path, includingHidden: includingHidden)
        var entries: [CatalogEntry] = []
        while let entry = try cursor.next() { entries.append(entry) }
        return entries
    }

    /// All entries of a directory, by name.
    func listByName(_ path: RepositoryPath, includingHidden: Bool = false) throws -> [CatalogEntry] {
        var cursor = try entriesByName(in: path, includingHidden: includingHidden)
        var entries: [CatalogEntry] = []
        while let entry = try cursor.next() { entries.append(entry) }
        return entries
    }

    func allRows() throws -> [CatalogRow] {
        var cursor = rows()
        var found: [CatalogRow] = []
        while let row = try cursor.next() { found.append(row) }
        return found
    }
}
