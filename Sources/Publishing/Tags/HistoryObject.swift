internal import CASCore
internal import CVMFS
internal import Catalog
internal import Glibc
internal import SystemPackage

/// A database of tags that a storage has. Source: format 4.1.
struct HistoryObject {
    let list: TagList
    /// The one that it succeeds.
    let previous: ContentHash?

    /// Reads it.
    init(_ hash: ContentHash, of repository: String, in storage: LocalStorage, _ state: StateFolder) throws {
        try self.init(hash, of: repository, in: storage, scratch: state.scratch)
    }

    init(_ hash: ContentHash, of repository: String, in storage: LocalStorage, scratch folder: FilePath) throws {
        let database = try storage.withUnpacked(
            ObjectID(hash, kind: .history), scratch: folder, limit: PublishingLimits.historyBytes
        ) { try HistoryDatabase(at: $0) }
        guard database.fqrn == repository else {
            throw PublishingError(.corrupt, "the history \(hash) is that of \(database.fqrn), not of \(repository)")
        }
        list = TagList(tags: try database.tags(), branches: try database.branches())
        previous = database.previousRevision
    }

    /// Packs a list as the successor of a history.
    static func pack(
        _ list: TagList, of repository: String, previous: ContentHash?, algorithm: HashAlgorithm, _ state: StateFolder
    ) throws -> RootObject {
        let file = state.scratchFile("history")
        defer { _ = file.withPlatformString { unlink($0) } }
        try HistoryWriter.write(
            tags: list.sortedTags, branches: list.sortedBranches, fqrn: repository, previous: previous,
            to: file.string)
        guard let bytes = try LocalFile.read(file, limit: Int(PublishingLimits.historyBytes)) else {
            throw PublishingError(.storage, "\(file) has vanished")
        }
        return try RootObject(bytes, kind: .history, algorithm: algorithm)
    }
}
