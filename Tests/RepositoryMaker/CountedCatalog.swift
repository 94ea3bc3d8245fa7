package import CASCore
package import Catalog
package import CatalogFixtures
import Glibc

/// A catalog that was stored.
package struct MadeCatalog: Sendable {
    package let path: RepositoryPath
    package let object: ObjectID
    /// Bytes of the file, unpacked.
    package let size: Int64
    /// Its own counters and those of all below it.
    package let statistics: CatalogStatistics

    package init(path: RepositoryPath, object: ObjectID, size: Int64, statistics: CatalogStatistics) {
        self.path = path
        self.object = object
        self.size = size
        self.statistics = statistics
    }
}

/// A catalog being made, row by row, whose counters follow from its rows.
package final class CountedCatalog {
    package let path: RepositoryPath
    /// For rows and properties that are not to be counted, and for SQL.
    package let maker: CatalogMaker
    private let folder: ObjectFolder
    private let file: String
    private var own = CatalogStatistics.Counters()
    private var subtree = CatalogStatistics.Counters()

    /// - Parameter path: of its root; the root of the repository has `.root`.
    package init(at path: RepositoryPath, in folder: ObjectFolder) throws {
        self.path = path
        self.folder = folder
        let name = path.isRoot ? "root" : ContentHash(hashing: path.bytes.span.bytes, with: .sha1).hexadecimal
        file = "\(folder.path)/data/txn/catalog-\(name)"
        unlink(file)
        maker = try CatalogMaker(at: file, rootPrefix: path)
    }

    deinit { unlink(file) }

    package func add(_ row: EntryRow, chunks: [MadeChunk] = []) throws {
        try maker.add(row)
        for chunk in chunks {
            try maker.addChunk(of: row.path, offset: chunk.offset, size: chunk.size, hash: chunk.object.hash)
        }
        count(flags: row.flags, size: row.size, chunks: chunks.count, hasXattrs: row.xattr != nil)
    }

    /// Counts a row that was added by SQL. Source: format 3.2.
    package func count(flags: Int64, size: Int64, chunks: Int = 0, hasXattrs: Bool = false, times: Int64 = 1) {
        let has = { (bit: Int64) in flags & bit != 0 }
        if has(1) {
            own.directories += times
        } else if has(8) {
            own.symlinks += times
        } else if has(16) {
            own.specials += times
        } else {
            own.regular += times
            own.fileBytes += size * times
            if has(64) {
                own.chunkedFiles += times
                own.chunkedBytes += size * times
            }
            if has(128) {
                own.externalFiles += times
                own.externalBytes += size * times
            }
        }
        own.chunks += Int64(chunks) * times
        if hasXattrs { own.xattrs += times }
    }

    /// Names a catalog that begins at an entry of this one.
    package func addNested(_ catalog: MadeCatalog) throws {
        try maker.addNested(catalog.path, hash: catalog.object.hash.description, size: catalog.size)
        own.nestedCatalogs += 1
        subtree = subtree + catalog.statistics.own + catalog.statistics.subtree
    }

    /// Writes the counters, and stores the catalog as an object.
    package func store() throws -> MadeCatalog {
        try finish { try folder.store(fileAt: $0, kind: .catalog) }
    }

    /// Writes the counters, and lets the caller store the file.
    package func finish(_ store: (_ file: String) throws -> ObjectID) throws -> MadeCatalog {
        for (name, counter) in CatalogStatistics.Counters.names {
            try maker.setCounter("self_" + name, own[keyPath: counter])
            try maker.setCounter("subtree_" + name, subtree[keyPath: counter])
        }
        try maker.finish()
        var status = stat()
        guard stat(file, &status) == 0 else { throw RepositoryMakerError("\(file) is gone: errno \(errno)") }
        return MadeCatalog(
            path: path, object: try store(file), size: Int64(status.st_size),
            statistics: CatalogStatistics(own: own, subtree: subtree))
    }
}

/// A part of a chunked file.
package struct MadeChunk: Sendable {
    package var offset: Int64
    package var size: Int64
    package var object: ObjectID

    package init(offset: Int64, size: Int64, object: ObjectID) {
        self.offset = offset
        self.size = size
        self.object = object
    }
}
