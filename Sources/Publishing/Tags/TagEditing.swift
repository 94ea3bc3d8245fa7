package import CASCore
internal import CVMFS
package import Catalog
internal import Glibc
package import Signing
internal import SystemPackage

// What publishers do with tags. Source: format 4.1.

extension RepositoryWriter {
    /// Gives a name to a root catalog.
    ///
    /// - Parameter root: the newest revision's when left out. When it is given, a tag that exists is moved to it.
    @discardableResult
    package func addTag(_ name: String, description: String, root hash: ContentHash? = nil) throws -> Tag {
        let base = base
        var list = try tags()
        if hash == nil { try list.checkNew(name) }
        let hash = hash ?? base.rootCatalog
        // What no revision is known to need may be half deleted, or be deleted while it gets its name.
        let isSafe = hash == base.rootCatalog || list.tags.values.contains { $0.rootHash == hash }
        let collection = isSafe ? nil : try collectionKeptAway()
        defer { collection?.unlock() }
        if !isSafe, try state.condemnedRoots().contains(hash) {
            throw PublishingError(.noSuchEntry, "a collection has begun to delete the revision of \(hash)")
        }
        try list.add(
            name, description: description, root: rootCatalog(hash).root,
            moves: hash != base.rootCatalog || list.tags[name] != nil)
        _ = try commit(base, tags: list, catalogs: [])
        guard let tag = list.tags[name] else {
            throw PublishingError(.corrupt, "the tag \"\(name)\" is not in its list")
        }
        return tag
    }

    /// Removes tags; all or none.
    @discardableResult
    package func removeTags(_ names: [String]) throws -> [Tag] {
        var list = try tags()
        let removed = try list.remove(names)
        _ = try commit(base, tags: list, catalogs: [])
        return removed
    }

    /// Publishes a tag's root catalog again, as a new revision, and forgets the tags between.
    ///
    /// - Parameter name: the revision before the newest one when left out.
    /// - Returns: the new manifest, and the tags that are gone.
    package func rollBack(to name: String? = nil) throws -> (manifest: Manifest, removed: [Tag]) {
        let base = base
        var list = try tags()
        let target = try list.rollbackTarget(name, current: base.revision)
        let time = clock()
        let (file, old) = try unpackedRootCatalog(target.rootHash)
        defer { _ = file.withPlatformString { unlink($0) } }
        // Nobody could publish after it: 2.4 is only read.
        guard old.schema.version > 2.4995 else {
            throw PublishingError(
                .unsupported, "the root catalog of \"\(target.name)\" has a schema that is no longer written")
        }
        try edit(file, revision: base.revision + 1, previous: base.rootCatalog, time: time)
        let (object, size) = try RootObject.store(
            fileAt: file, kind: .catalog, algorithm: settings.hash, in: storage)
        let root = TaggedRoot(
            hash: object.hash, size: size, revision: base.revision + 1, timestamp: time.seconds)
        let removed = list.rollBack(to: target, as: root)
        var manifest = base
        manifest.rootCatalog = root.hash
        manifest.rootCatalogSize = root.size
        manifest.revision = root.revision
        manifest.ttl = old.properties.ttl.map { UInt32(clamping: $0) } ?? Manifest.defaultTTL
        return (try commit(manifest, tags: list, catalogs: [root.hash]), removed)
    }

    private func edit(_ file: FilePath, revision: UInt64, previous: ContentHash, time: UnixTime) throws(CatalogError) {
        let database = try WritableDatabase(at: file.string, label: "the root catalog to be repeated")
        try database.run("BEGIN")
        for (key, value) in [
            ("last_modified", String(time.seconds)), ("revision", String(revision)),
            ("previous_revision", previous.description),
        ] {
            try database.run("INSERT OR REPLACE INTO properties VALUES (?, ?)", [.text(key), .text(value)])
        }
        try database.run("COMMIT")
    }

    /// Keeps collections from beginning.
    private func collectionKeptAway() throws -> LockFile {
        let lock = try LockFile(opening: state.collectionLock)
        guard try lock.tryLock() else {
            throw PublishingError(
                .locked, "a collection is at work and may be deleting that revision: tag it when the collection is done"
            )
        }
        return lock
    }

    private func rootCatalog(_ hash: ContentHash) throws -> (catalog: FileCatalog, root: TaggedRoot) {
        let (file, catalog) = try unpackedRootCatalog(hash)
        defer { _ = file.withPlatformString { unlink($0) } }
        var status = stat()
        guard file.withPlatformString({ stat($0, &status) }) == 0 else {
            throw PublishingError(.storage, "\(file) cannot be looked at", cause: Errno(rawValue: errno))
        }
        return (
            catalog,
            TaggedRoot(
                hash: hash, size: Int64(status.st_size), revision: catalog.properties.revision,
                timestamp: catalog.properties.lastModified ?? 0)
        )
    }

    private func unpackedRootCatalog(_ hash: ContentHash) throws -> (file: FilePath, catalog: FileCatalog) {
        let object = ObjectID(hash, kind: .catalog)
        guard try storage.contains(object) else {
            throw PublishingError(.noSuchEntry, "there is no root catalog \(hash)")
        }
        let file = state.scratchFile("catalog")
        try storage.unpack(object, to: file.string, limit: PublishingLimits.catalogBytes)
        do {
            let catalog = try FileCatalog(at: file)
            guard catalog.rootPrefix.isRoot else {
                throw PublishingError(
                    .invalidArgument, "\(hash) is no root catalog, but the one of \(catalog.rootPrefix)")
            }
            return (file, catalog)
        } catch {
            _ = file.withPlatformString { unlink($0) }
            throw error
        }
    }
}
