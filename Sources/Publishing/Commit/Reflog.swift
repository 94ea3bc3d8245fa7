internal import CASCore
internal import CVMFS
internal import Catalog
internal import Glibc
internal import Signing
internal import SystemPackage

/// A repository's reflog and the checksum that guards it. Source: format 4.2.
///
/// The checksum's file has one line: the hash of the reflog's file. While the reflog is being replaced it has two, the
/// old hash and the new one, so that a crash at any point leaves a reflog that one of them fits. All calls are made
/// under the commit lock.
struct Reflog {
    let repository: String
    let storage: LocalStorage
    let state: StateFolder
    /// For files on their way: the writer's own folder is emptied by the next writer.
    let scratch: FilePath

    /// What the reflog holds, by hash.
    struct Content {
        var references: [ContentHash: Reference]
        /// Whether the file was as its checksum says.
        let isSound: Bool

        mutating func add(_ object: ObjectID, at time: UnixTime) {
            references[object.hash] = Reference(kind: object.kind, hash: object.hash, timestamp: time.seconds)
        }
    }

    /// Reads it; what is damaged or lost is rebuilt from the manifest.
    func read(_ manifest: Manifest) throws -> Content {
        let bytes = try storage.read(RootFile.reflog, limit: PublishingLimits.reflogBytes)
        if let bytes {
            let hash = ContentHash(hashing: bytes, with: manifest.hashAlgorithm)
            let expected = try expectedHashes(manifest)
            let references = try? readReferences()
            let isKnown = expected.contains(hash) || references?[manifest.rootCatalog] != nil && expected.isEmpty
            if let references, isKnown { return Content(references: references, isSound: true) }
            // Whatever is in it does no harm: a collection never deletes what is in use because of a reference.
            var rebuilt = try ReflogRebuilding(repository: repository, storage: storage, scratch: scratch).run(manifest)
            for (hash, reference) in references ?? [:] where rebuilt[hash] == nil {
                if try storage.contains(reference.object) { rebuilt[hash] = reference }
            }
            return Content(references: rebuilt, isSound: false)
        }
        let rebuilt = try ReflogRebuilding(repository: repository, storage: storage, scratch: scratch).run(manifest)
        return Content(references: rebuilt, isSound: false)
    }

    /// Which hashes the file may have; none when nobody here has written one yet, and the manifest's is of the time
    /// before a collection by other programs.
    private func expectedHashes(_ manifest: Manifest) throws -> Set<ContentHash> {
        guard let text = try LocalFile.read(state.reflogChecksum, limit: PublishingLimits.settingsBytes) else {
            return []
        }
        var hashes = Set(String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { ContentHash($0) })
        if let signed = manifest.reflog { hashes.insert(signed) }
        return hashes
    }

    private func readReferences() throws -> [ContentHash: Reference] {
        let database = try ReflogDatabase(at: FilePath(storage.path).appending(RootFile.reflog))
        guard database.fqrn == repository else {
            throw PublishingError(
                .corrupt, "the reflog in \(storage.path) is that of \(database.fqrn), not of \(repository)")
        }
        return Dictionary(try database.references().map { ($0.hash, $0) }) { first, _ in first }
    }

    /// A reflog on its way: its file's bytes and their hash.
    func prepare(_ content: Content, algorithm: HashAlgorithm) throws -> Prepared {
        let file = scratch.appending("reflog")
        _ = file.withPlatformString { unlink($0) }
        defer { _ = file.withPlatformString { unlink($0) } }
        let ordered = content.references.values.sorted { ($0.timestamp, $0.hash) < ($1.timestamp, $1.hash) }
        try ReflogWriter.write(ordered, fqrn: repository, to: file.string)
        guard let bytes = try LocalFile.read(file, limit: PublishingLimits.reflogBytes) else {
            throw PublishingError(.storage, "\(file) has vanished")
        }
        return Prepared(bytes: bytes, hash: ContentHash(hashing: bytes, with: algorithm))
    }

    struct Prepared {
        let bytes: [UInt8]
        let hash: ContentHash
    }

    /// Says that the reflog may from now on have either hash.
    func announce(_ next: Prepared) throws {
        var lines = [next.hash.description]
        if let bytes = try storage.read(RootFile.reflog, limit: PublishingLimits.reflogBytes) {
            lines.insert(ContentHash(hashing: bytes, with: next.hash.algorithm).description, at: 0)
        }
        try writeChecksum(lines.joined(separator: "\n"))
    }

    func replace(with next: Prepared) throws { try storage.replace(RootFile.reflog, with: next.bytes) }

    /// Says that the reflog has this hash, as the reference does: no newline.
    func settle(_ hash: ContentHash) throws { try writeChecksum(hash.description) }

    private func writeChecksum(_ text: String) throws {
        do {
            try LocalFile.replace(state.reflogChecksum, with: Array(text.utf8))
        } catch {
            throw PublishingError(.storage, "\(state.reflogChecksum) cannot be written", cause: error)
        }
    }
}

/// Finds what a lost reflog must have held: all that leads back from the manifest and the tags.
struct ReflogRebuilding {
    let repository: String
    let storage: LocalStorage
    let scratch: FilePath

    func run(_ manifest: Manifest) throws -> [ContentHash: Reference] {
        var found: [ContentHash: Reference] = [:]
        func add(_ hash: ContentHash?, _ kind: ObjectKind, _ time: Int64) {
            guard let hash, found[hash] == nil else { return }
            found[hash] = Reference(kind: kind, hash: hash, timestamp: time)
        }
        let time = manifest.published?.seconds ?? 0
        add(manifest.certificate, .certificate, time)
        add(manifest.metainfo, .metainfo, time)
        var roots = [manifest.rootCatalog]
        var next = manifest.history
        while let hash = next, found[hash] == nil, found.count < CatalogLimits.references {
            guard let history = try? HistoryObject(hash, of: repository, in: storage, scratch: scratch) else { break }
            add(hash, .history, time)
            roots += history.list.tags.values.map(\.rootHash)
            next = history.previous
        }
        for root in roots {
            var next: ContentHash? = root
            while let hash = next, found[hash] == nil, found.count < CatalogLimits.references {
                guard try storage.contains(ObjectID(hash, kind: .catalog)) else { break }
                let object = ObjectID(hash, kind: .catalog)
                let properties = try CatalogFile.open(object, in: storage, scratch: scratch).properties
                add(hash, .catalog, properties.lastModified ?? time)
                next = properties.previousRevision
            }
        }
        return found
    }
}
