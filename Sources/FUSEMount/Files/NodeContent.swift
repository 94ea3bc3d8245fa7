internal import CVMFS
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// The content of a file's node: its parts, and the handles of those that were read last.
final class NodeContent: Sendable {
    private struct State {
        var held = HeldParts()
        var readAhead = ReadAhead()
        var prefetches: Set<Int> = []
        var run = ReadRun()
    }

    let size: Int64
    let parts: [FilePart]
    let isChunked: Bool
    let isExternal: Bool
    private let fetcher: ObjectFetcher
    private let state = Mutex(State())

    init(size: Int64, parts: [FilePart], isChunked: Bool, isExternal: Bool, fetcher: ObjectFetcher) {
        self.size = size
        self.parts = parts
        self.isChunked = isChunked
        self.isExternal = isExternal
        self.fetcher = fetcher
    }

    func index(at offset: Int64) -> Int { parts.count == 1 ? 0 : FilePart.index(of: offset, in: parts) }

    /// The object of a part if it is cached, at once.
    func cached(_ index: Int) throws -> (any StoredObject)? {
        if let object = held(index) { return object }
        guard let object = try fetcher.cached(parts[index].id, size: .exactly(parts[index].size)) else { return nil }
        hold(object, index)
        return object
    }

    /// - Parameter path: names the file for servers of external files, and for whoever asks what was fetched.
    func object(
        _ index: Int, at path: RepositoryPath, priority: FetchPriority = .demand
    ) async throws -> any StoredObject {
        if let object = held(index) { return object }
        let object = try await fetcher.object(
            of: parts[index], at: path, isChunked: isChunked, isExternal: isExternal, priority: priority)
        hold(object, index)
        return object
    }

    /// Notes a read, and tells which parts to fetch ahead.
    func partsAhead(at offset: Int64, count: Int) -> [Int] {
        guard parts.count > 1, count > 0, offset < size else { return [] }
        let first = index(at: offset)
        let last = index(at: min(offset + Int64(count), size) - 1)
        return state.withLock { state in
            state.readAhead.read(at: offset, count: count, chunks: first...last, total: parts.count)
                .filter { state.prefetches.insert($0).inserted }
        }
    }

    /// Notes what the mount's page cache has got now, and lets the pages of the cache's files go that nobody needs.
    func relieve(afterReading bytes: Range<Int64>) {
        guard let needless = state.withLock({ $0.run.read(bytes, of: size) }) else { return }
        for index in index(at: needless.lowerBound)..<parts.count {
            let part = parts[index]
            guard part.offset < needless.upperBound else { return }
            guard let object = held(index) else { continue }
            let start = max(needless.lowerBound, part.offset) - part.offset
            // 0: to the end of the file.
            let count = needless.upperBound >= part.end ? 0 : needless.upperBound - part.offset - start
            _ = try? object.withDescriptor {
                posix_fadvise($0.rawValue, off_t(start), off_t(count), POSIX_FADV_DONTNEED)
            }
        }
    }

    private func held(_ index: Int) -> (any StoredObject)? { state.withLock { $0.held.use(index) } }

    private func hold(_ object: any StoredObject, _ index: Int) { state.withLock { $0.held.hold(object, index) } }
}
