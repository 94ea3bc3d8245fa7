internal import CASCore
internal import CVMFS
internal import Catalog
internal import Signing
internal import SystemPackage

/// Checks what stands beside the objects: manifest, whitelist and certificate, tags and reflog. Source: format 2, 4.
struct RootCheck {
    private let repository: StoredRepository
    private let scratch: FilePath
    private(set) var defects: [CheckDefect] = []
    /// The root catalogs that must be there, with their sizes where something says them.
    private(set) var roots: [(hash: ContentHash, size: Int64?)] = []
    /// What else must be there.
    private(set) var objects: [ObjectID] = []

    private var storage: LocalStorage { repository.storage }
    private var manifest: Manifest { repository.manifest }

    init(_ repository: StoredRepository, scratch: FilePath) {
        self.repository = repository
        self.scratch = scratch
        roots = [(manifest.rootCatalog, manifest.rootCatalogSize)]
        if let certificate = manifest.certificateObject { objects.append(certificate) }
        if let history = manifest.history { objects.append(ObjectID(history, kind: .history)) }
        if let metainfo = manifest.metainfo { objects.append(ObjectID(metainfo, kind: .metainfo)) }
    }

    /// - Parameter keys: the master keys that are believed; `nil`: whether anybody believes the whitelist is not asked.
    mutating func run(masterKeys keys: [MasterKey]?, at time: UnixTime) throws {
        try checkTrust(keys, time)
        try checkHistory()
        try checkReflog()
    }

    private mutating func checkTrust(_ keys: [MasterKey]?, _ time: UnixTime) throws {
        guard let file = try storage.read(RootFile.manifest, limit: TrustLimits.manifestBytes) else {
            return report(.trust, "the manifest has vanished")
        }
        guard let whitelist = try storage.read(RootFile.whitelist, limit: TrustLimits.whitelistBytes) else {
            return report(.trust, "there is no whitelist: readers believe nothing")
        }
        guard let object = manifest.certificateObject else {
            return report(.trust, "the manifest names no certificate")
        }
        // That it is missing or damaged shows among the objects.
        guard let stored = try storage.stored(object, limit: TrustLimits.certificateBytes),
            let pem = try? object.unpack(stored, size: .atMost(Int64(TrustLimits.certificateBytes)))
        else { return report(.trust, object, "the certificate cannot be read") }
        do throws(SigningError) {
            if let keys {
                _ = try TrustChain(masterKeys: keys).verify(
                    manifest: file, whitelist: whitelist, certificate: pem, name: repository.name, at: time)
            } else {
                // As far as it goes without a master key: the manifest by its certificate.
                let fingerprint = try Certificate(pem: pem).fingerprint(manifest.hashAlgorithm)
                _ = try TrustChain(pinning: fingerprint).verify(
                    manifest: file, whitelist: whitelist, certificate: pem, name: repository.name, at: time)
            }
        } catch {
            report(.trust, "readers do not believe it: \(error)")
        }
    }

    private mutating func checkHistory() throws {
        guard let hash = manifest.history else { return }
        let object = ObjectID(hash, kind: .history)
        let list: TagList
        do {
            list = try HistoryObject(hash, of: repository.name, in: storage, scratch: scratch).list
        } catch let error as PublishingError where error.code == .corrupt {
            return report(.history, object, "\(error)")
        } catch let error as CatalogError where error.isBadData {
            return report(.history, object, "\(error)")
        }
        for tag in list.sortedTags {
            roots.append((tag.rootHash, tag.size))
            if list.branches[tag.branch] == nil {
                report(.history, object, "tag \(tag.name) is on the branch \"\(tag.branch)\", which does not exist")
            }
        }
        for branch in list.sortedBranches where !branch.name.isEmpty {
            guard !list.tags.values.contains(where: { $0.branch == branch.name }) else { continue }
            report(.history, object, "the branch \"\(branch.name)\" has no tag")
        }
    }

    private mutating func checkReflog() throws {
        guard let bytes = try storage.read(RootFile.reflog, limit: PublishingLimits.reflogBytes) else {
            return report(.reflog, "there is no reflog: publishing anything makes a new one")
        }
        let checksum = StateFolder(storage: FilePath(storage.path)).reflogChecksum
        var expected: [ContentHash] = []
        if let text = try LocalFile.read(checksum, limit: PublishingLimits.settingsBytes) {
            expected = String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { ContentHash($0) }
        }
        if let signed = manifest.reflog { expected.append(signed) }
        if !expected.isEmpty, !expected.contains(ContentHash(hashing: bytes, with: manifest.hashAlgorithm)) {
            report(.reflog, "the reflog is not what its checksum says")
        }
        let references: [Reference]
        do throws(CatalogError) {
            let database = try ReflogDatabase(at: FilePath(storage.path).appending(RootFile.reflog))
            if database.fqrn != repository.name { report(.reflog, "the reflog is that of \(database.fqrn)") }
            references = try database.references()
        } catch {
            guard error.isBadData else { throw error }
            return report(.reflog, "\(error)")
        }
        if !references.contains(where: { $0.hash == manifest.rootCatalog }) {
            report(.reflog, "the newest root catalog is not in the reflog")
        }
        for reference in references {
            if reference.kind == .catalog {
                roots.append((reference.hash, nil))
            } else {
                objects.append(reference.object)
            }
        }
    }

    private mutating func report(_ kind: CheckDefect.Kind, _ detail: String) {
        defects.append(CheckDefect(kind, nil, nil, detail))
    }

    private mutating func report(_ kind: CheckDefect.Kind, _ object: ObjectID, _ detail: String) {
        defects.append(CheckDefect(kind, nil, object, detail))
    }
}
