internal import CASCore
public import Catalog
internal import Signing

extension Repository {
    /// All tags, those of the publisher's own making included, newest revision first; none without a history.
    public func tags() async throws -> [Tag] {
        guard let history = try await history() else { return [] }
        return try await reading { () throws(CatalogError) in try history.tags() }
    }

    /// The tag of a name.
    func tag(named name: String) async throws -> Tag {
        let history = try await existingHistory()
        guard let tag = try await reading({ () throws(CatalogError) in try history.tag(named: name) }) else {
            throw CVMFSError(
                .noSuchTag, "\(self.name) has no tag \"\(name)\": cvmfs tags \(self.name) shows those that it has")
        }
        return tag
    }

    /// The newest tag of the default branch that is not younger than a time.
    func tag(notAfter time: UnixTime) async throws -> Tag {
        let history = try await existingHistory()
        guard let tag = try await reading({ () throws(CatalogError) in try history.tag(notNewerThan: time.seconds) })
        else {
            throw CVMFSError(.noSuchTag, "\(name) has no tag of \(time) or before")
        }
        return tag
    }

    func snapshot(of tag: Tag) async throws -> Snapshot {
        try await snapshot(root: tag.rootHash, size: tag.size ?? 0, tag: tag.name)
    }

    /// The repository's own description, JSON text of at most 64 KiB; `nil` when it has none. Source: format 2.5.
    public func metainfo() async throws -> [UInt8]? {
        guard let hash = try await current().manifest.metainfo else { return nil }
        do {
            let object = try await fetcher.object(
                ObjectID(hash, kind: .metainfo), size: .atMost(CompositionLimits.metainfoBytes), for: .metainfo)
            return try object.readAll()
        } catch {
            throw CVMFSError.during("cannot read the meta-information of \(name)", error)
        }
    }

    private func existingHistory() async throws -> HistoryDatabase {
        guard let history = try await history() else {
            throw CVMFSError(.noSuchTag, "\(name) keeps no history, so it has no tags")
        }
        return history
    }

    /// The history database of the newest state; `nil` when the repository keeps none.
    func history() async throws -> HistoryDatabase? {
        guard let hash = try await current().manifest.history else { return nil }
        do {
            let object = try await fetcher.object(
                ObjectID(hash, kind: .history), size: .atMost(CompositionLimits.historyBytes), for: .history)
            return try await BlockingPool.shared.run {
                try HistoryDatabase(object)
            }
        } catch {
            throw CVMFSError.during("cannot read the history \(hash) of \(name)", error)
        }
    }

    private func current() async throws -> TrustedManifest {
        _ = try await snapshot(.newest)
        guard let trusted else {
            throw CVMFSError(
                .invalidArgument, "\(name) was opened by a root hash alone, which leads to no history: give master keys"
            )
        }
        return trusted
    }

    private func reading<Result: Sendable>(
        _ body: @escaping @Sendable () throws(CatalogError) -> Result
    ) async throws -> Result {
        do {
            return try await BlockingPool.shared.run { try body() }
        } catch {
            throw CVMFSError.during("cannot read the history of \(name)", error)
        }
    }
}
