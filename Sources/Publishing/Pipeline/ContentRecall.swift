package import CASCore
internal import Catalog
internal import Synchronization
internal import SystemPackage

extension ContentPipeline {
    /// Makes ready to bring back what a lost ingest index knew: notes what the repository has, by size.
    ///
    /// Only for a deflater that may pack content otherwise by now; zlib gives the same objects anyway. When the index is
    /// whole this is one look into it.
    ///
    /// - Parameters:
    ///   - newest: the root catalog of the newest revision.
    ///   - tagged: gives the root catalogs of others. What is missing or damaged of any is passed over; after damage the
    ///     next transaction looks again.
    package func prepareRecall(newest: ContentHash, tagged: @Sendable () throws -> [ContentHash]) async throws {
        guard options.deflater != .zlib, let storage = uploader as? LocalStorage else { return }
        if !indexes.ingest.knowsWhatIsStored {
            let walk = CatalogWalk(storage, scratch: FilePath(scratchFolder))
            do {
                for (roots, rank) in [([newest], IngestIndex.Rank.newest), (try tagged(), .tagged)] {
                    try await walk.run(roots, toleratesAbsence: true) { [indexes, options] object, size in
                        guard object.compression == options.compression, object.hash.algorithm == options.algorithm
                        else { return }
                        indexes.ingest.add(object, size: size, rank)
                    }
                }
                indexes.ingest.markKnowing()
            } catch let error as PublishingError where error.code == .corrupt {
                // It is for a check to say; what the walk has found until then is of use.
            } catch let error as CatalogError where error.isBadData {
                // The same.
            }
        }
        hasCandidates.store(indexes.ingest.hasCandidates, ordering: .relaxed)
    }

    /// Looks for content among the stored objects of its size of which nothing else is known. They are unpacked and
    /// verified for it, and remembered.
    /// - Returns: whether the index should be asked again: this call has found it, or another one at the same time.
    func recall(_ content: StrongDigest, size: Int64) async throws -> Bool {
        guard hasCandidates.load(ordering: .relaxed), let storage = uploader as? LocalStorage else { return false }
        let ingest = indexes.ingest
        var last: ObjectID?
        while let candidate = ingest.candidate(
            ofSize: size, algorithm: options.algorithm, compression: options.compression)
        {
            // One that cannot be dropped is in a damaged row.
            guard candidate != last || candidate.kind != last?.kind else { break }
            last = candidate
            try Task.checkCancellation()
            // Others may be at the same one: then both do it, which is harmless.
            defer { ingest.drop(candidate, size: size) }
            let output = DigestOutput()
            do throws(PublishingError) {
                try storage.unpack(candidate, into: output, limit: size)
            } catch {
                guard error.code == .corrupt else { throw error }
                continue
            }
            let found = output.digest()
            // Before it is dropped, so that nobody finds it neither here nor there. Content that two objects hold keeps the one that was found first.
            if ingest.object(of: found, algorithm: options.algorithm) == nil {
                ingest.remember(found, as: candidate.hash)
            }
            if found == content { break }
        }
        return true
    }
}

/// Digests content instead of keeping it.
private final class DigestOutput: ContentOutput {
    private struct State: ~Copyable {
        var hasher = StrongHasher()
    }

    private let state = Mutex(State())

    func restart() { state.withLock { $0.hasher = StrongHasher() } }

    func write(_ bytes: RawSpan) {
        state.withLock { state in bytes.withUnsafeBytes { state.hasher.update($0) } }
    }

    func digest() -> StrongDigest {
        state.withLock { state in
            var hasher = StrongHasher()
            swap(&hasher, &state.hasher)
            return hasher.finalize()
        }
    }
}
