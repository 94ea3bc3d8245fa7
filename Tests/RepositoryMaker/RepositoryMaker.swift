package import CASCore
package import CatalogFixtures
import Glibc
package import Signing

/// Makes signed repositories out of values, for tests and benchmarks: whole ones, and ones with any fault.
///
/// ```swift
/// var maker = try RepositoryMaker(name: "demo.example.org", at: folder)
/// try maker.file("/etc/motd", Array("hello\n".utf8))
/// try maker.nested("/usr")
/// var published = try maker.publish(tags: ["v1"])     // folder can be served; trust published.masterKeyPEM
/// published.manifest.revision = 1
/// try published.sign()                                // a rollback, well signed
/// ```
///
/// A copy of it is another tree in the same folder. There is no reflog.
package struct RepositoryMaker: Sendable {
    package let name: String
    package let folder: ObjectFolder
    package let keys: RepositoryKeys
    /// What the next publication says beside its content.
    package var metainfo: String?
    package var isGarbageCollectable = false

    private var tree = MadeTree()
    private var tags: [MadeTag] = []
    private var published: PublishedRepository?
    private var changes: [RepositoryPath: @Sendable (CountedCatalog) throws -> Void] = [:]

    /// - Parameters:
    ///   - name: the repository's name (fqrn).
    ///   - hash: names the objects.
    ///   - folder: the repository's own, that will hold `.cvmfspublished`; an absolute path.
    package init(
        name: String, hash: HashAlgorithm = .sha1, at folder: String, keys: RepositoryKeys = .shared
    ) throws {
        self.name = name
        self.folder = try ObjectFolder(folder, algorithm: hash)
        self.keys = keys
    }

    package var masterKeyPEM: [UInt8] {
        get throws { try keys.masterKeyPEM }
    }

    // MARK: The tree. Directories on the way to an entry are made, and an entry that is there is replaced.

    package mutating func directory(_ path: RepositoryPath, mode: UInt32 = 0o755) {
        tree.add(.directory(path, mode: mode))
    }

    package mutating func symlink(_ path: RepositoryPath, to target: String) { tree.add(.symlink(path, to: target)) }

    /// - Parameters:
    ///   - chunkSize: content that is longer is cut into parts of so many bytes.
    ///   - change: what else the row is to say.
    package mutating func file(
        _ path: RepositoryPath, _ content: [UInt8], mode: UInt32 = 0o644, compression: Compression = .zlib,
        chunkSize: Int? = nil, _ change: (inout EntryRow) -> Void = { _ in }
    ) throws {
        if let chunkSize, content.count > chunkSize {
            var chunks: [MadeChunk] = []
            for offset in stride(from: 0, to: content.count, by: chunkSize) {
                let part = Array(content[offset..<min(offset + chunkSize, content.count)])
                let object = try folder.store(part, kind: .chunk, compression: compression)
                chunks.append(MadeChunk(offset: Int64(offset), size: Int64(part.count), object: object))
            }
            chunked(path, chunks, mode: mode, compression: compression, change)
        } else {
            let object = try folder.store(content, compression: compression)
            tree.add(
                EntryRow.file(
                    path, mode: mode, size: Int64(content.count), hash: object.hash, compression: compression
                ).with(change))
        }
    }

    /// A file of chunks, whatever they are; its size is their sum unless `change` says otherwise.
    package mutating func chunked(
        _ path: RepositoryPath, _ chunks: [MadeChunk], mode: UInt32 = 0o644, compression: Compression = .zlib,
        _ change: (inout EntryRow) -> Void = { _ in }
    ) {
        var row = EntryRow.file(
            path, mode: mode, size: chunks.reduce(0) { $0 &+ $1.size }, hash: nil, compression: compression)
        row.flags |= 64 | Int64(folder.algorithm.rawValue - 1) << 8
        tree.add(row.with(change), chunks: chunks)
    }

    /// Any row at all; of objects nothing is stored.
    package mutating func entry(_ row: EntryRow) { tree.add(row) }

    /// Removes an entry and all below it.
    package mutating func remove(_ path: RepositoryPath) { tree.remove(path) }

    /// Lets a catalog begin at a directory, with the marker that says so.
    package mutating func nested(_ path: RepositoryPath) throws {
        tree.cut(at: path)
        try file(path.appending(FileName(".cvmfscatalog")), [])
    }

    /// Changes a catalog of every later publication before it is stored, when its right rows are in it: the rows and
    /// properties are those of `maker`, any SQL goes through `maker.database`.
    package mutating func changeCatalog(
        at path: RepositoryPath, _ change: @escaping @Sendable (CountedCatalog) throws -> Void
    ) { changes[path] = change }

    // MARK: Publishing

    /// Writes catalogs, history, certificate, manifest and whitelist.
    ///
    /// - Parameters:
    ///   - revision: by default one more than the last one.
    ///   - tags: names that from now on stand for this revision, beside `trunk`.
    ///   - ttl: seconds.
    ///   - timestamp: of the manifest and the catalogs; by default the time it is.
    ///   - whitelistExpires: by default 30 days after the timestamp.
    package mutating func publish(
        revision: UInt64? = nil, tags newTags: [String] = [], ttl: UInt32 = Manifest.defaultTTL,
        timestamp: UnixTime? = nil, whitelistExpires: UnixTime? = nil
    ) throws -> PublishedRepository {
        let timestamp = timestamp ?? UnixTime(Int64(time(nil)))
        let revision = revision ?? (published?.manifest.revision ?? 0) + 1
        let previous = published?.manifest.rootCatalog
        let changes = changes
        var catalogs: [RepositoryPath: MadeCatalog] = [:]
        for (path, nodes) in tree.catalogs() {
            let catalog = try CountedCatalog(at: path, in: folder)
            try catalog.maker.setProperty("revision", String(revision))
            try catalog.maker.setProperty("last_modified", String(timestamp.seconds))
            if path.isRoot {
                try catalog.maker.setProperty("TTL", String(ttl))
                if let previous { try catalog.maker.setProperty("previous_revision", previous.description) }
            }
            for node in nodes { try catalog.add(node.row, chunks: node.chunks) }
            for nested in catalogs.values where nested.path != path && tree.catalog(above: nested.path) == path {
                try catalog.addNested(nested)
            }
            try changes[path]?(catalog)
            catalogs[path] = try catalog.store()
        }
        guard let root = catalogs[.root] else { throw RepositoryMakerError("there is no root catalog") }
        return try publish(
            root: root, catalogs: catalogs, revision: revision, tags: newTags, ttl: ttl, timestamp: timestamp,
            whitelistExpires: whitelistExpires)
    }

    /// Signs a root catalog that was made row by row, as large trees are.
    package mutating func publish(
        root: MadeCatalog, catalogs: [RepositoryPath: MadeCatalog] = [:], revision: UInt64 = 1,
        tags newTags: [String] = [], ttl: UInt32 = Manifest.defaultTTL, timestamp: UnixTime? = nil,
        whitelistExpires: UnixTime? = nil
    ) throws -> PublishedRepository {
        let timestamp = timestamp ?? UnixTime(Int64(time(nil)))
        let undo = tags.first { $0.name == "trunk" }
        tags.removeAll { ["trunk", "trunk-previous"].contains($0.name) || newTags.contains($0.name) }
        let tag = { (name: String, description: String) in
            MadeTag(
                name: name, root: root, revision: revision, timestamp: timestamp.seconds, description: description)
        }
        if var undo {
            undo.name = "trunk-previous"
            undo.description = "default undo target"
            tags.append(undo)
        }
        tags += newTags.map { tag($0, "") } + [tag("trunk", "current HEAD")]
        let history = try MadeHistory.store(tags, of: name, previous: published?.manifest.history, in: folder)
        let certificate = try folder.store(keys.certificate.pem, kind: .certificate)
        var manifest = Manifest(
            rootCatalog: root.object.hash, rootCatalogSize: root.size, revision: revision, name: name,
            certificate: certificate.hash, history: history.hash, published: timestamp, ttl: ttl,
            isGarbageCollectable: isGarbageCollectable)
        if let metainfo { manifest.metainfo = try folder.store(Array(metainfo.utf8), kind: .metainfo).hash }
        let whitelist = Whitelist(
            issued: timestamp, expires: whitelistExpires ?? UnixTime(timestamp.seconds + 30 * 86400), name: name,
            entries: [Whitelist.Entry(keys.certificate.fingerprint(folder.algorithm), comment: "test")])
        let made = PublishedRepository(
            folder: folder, keys: keys, root: root, catalogs: catalogs, manifest: manifest, whitelist: whitelist)
        try made.sign()
        published = made
        return made
    }
}
