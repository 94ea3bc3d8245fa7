internal import CASCore
internal import CPlatform
internal import Catalog
internal import Glibc
internal import Signing
internal import SystemPackage

/// A repository's newest state in its storage, looked at without the right to change it. Its owner's folder is believed.
struct StoredRepository {
    let name: String
    let storage: LocalStorage
    let manifest: Manifest

    init(_ name: String, at path: FilePath) throws {
        storage = try LocalStorage(at: path.string)
        guard let file = try storage.read(RootFile.manifest, limit: TrustLimits.manifestBytes) else {
            throw PublishingError(.noRepository, "\(path) holds no repository: there is no \(RootFile.manifest)")
        }
        manifest = try Manifest(unverified: file)
        self.name = name
        guard manifest.name == name else {
            throw PublishingError(
                .noRepository, "\(path) holds \(manifest.name ?? "a repository without a name"), not \(name)")
        }
    }

    func tags() throws -> TagList {
        guard let hash = manifest.history else { return TagList() }
        let scratch = try ReadingScratch()
        return try HistoryObject(hash, of: name, in: storage, scratch: scratch.path).list
    }

    /// The root catalog that a user names: a tag, a revision's number of a tag or the newest, a root hash.
    func root(named text: String) throws -> ContentHash {
        if text.isEmpty || text == TagList.trunk { return manifest.rootCatalog }
        if let hash = ContentHash(text) { return hash }
        let tags = try tags()
        if let tag = tags.tags[text] { return tag.rootHash }
        if let revision = UInt64(text) {
            if revision == manifest.revision { return manifest.rootCatalog }
            if let tag = tags.sortedTags.first(where: { $0.revision == revision }) { return tag.rootHash }
            return try root(ofRevision: revision)
        }
        throw PublishingError(
            .noSuchEntry, "\(name) has no tag \"\(text)\"; a revision's number or a root hash would do too")
    }

    /// Goes back from the newest revision.
    private func root(ofRevision revision: UInt64) throws -> ContentHash {
        let scratch = try ReadingScratch()
        var next: ContentHash? = revision < manifest.revision ? manifest.rootCatalog : nil
        var steps = 0
        while let hash = next, steps < CatalogLimits.references {
            let object = ObjectID(hash, kind: .catalog)
            guard try storage.contains(object) else { break }
            let properties = try CatalogFile.open(object, in: storage, scratch: scratch.path).properties
            if properties.revision == revision { return hash }
            guard properties.revision > revision else { break }
            next = properties.previousRevision
            steps += 1
        }
        throw PublishingError(.noSuchEntry, "\(name) has no revision \(revision), or has it no longer")
    }
}

/// A folder for what is unpacked while one reads, outside the storage, which may not be writable.
final class ReadingScratch: Sendable {
    let path: FilePath

    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/cvmfs-reading-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw PublishingError(.storage, "no folder can be made in \(parent)", cause: Errno(rawValue: errno))
        }
        path = FilePath(String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    // What is in it has lost its name already.
    deinit { _ = path.withPlatformString { rmdir($0) } }
}
