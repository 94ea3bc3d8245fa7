public import CASCore
internal import Catalog
internal import Synchronization
public import SystemPackage

/// A regular file of a snapshot, read lazily: only what a read touches is fetched, verified and kept in the cache.
///
/// Reads of what is local are synchronous (`readCached`); `read` goes to the network for the rest. A file of any size
/// is read in constant memory. A file that has been opened keeps the handles of the parts it read last, so that they
/// are not evicted under it.
public final class File: Sendable {
    private struct State {
        var held = HeldParts()
        var readAhead = ReadAhead()
        var prefetches: [Int: Task<Void, Never>] = [:]
    }

    public let entry: Entry
    let parts: [FilePart]
    private let fetcher: ObjectFetcher
    private let state = Mutex(State())

    init(entry: Entry, parts: [FilePart], fetcher: ObjectFetcher) {
        self.entry = entry
        self.parts = parts
        self.fetcher = fetcher
    }

    deinit {
        for task in state.withLock({ $0.prefetches.values }) { task.cancel() }
    }

    public var path: RepositoryPath { entry.path }

    /// Size in bytes.
    public var size: Int64 { entry.size }

    // MARK: Reading

    /// Reads from what is local, without waiting for the network.
    ///
    /// - Parameters:
    ///   - buffer: as many bytes are wanted as it holds.
    ///   - offset: in bytes, not negative.
    /// - Returns: the number of bytes read, 0 at the end; fewer than wanted at a part's end. `nil` when the part at
    ///   `offset` has to be fetched first: call `read`.
    public func readCached(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int? {
        guard offset < size, buffer.count > 0 else { return 0 }
        try check(offset)
        let index = parts.count == 1 ? 0 : FilePart.index(of: offset, in: parts)
        guard let object = try localObject(index) else { return nil }
        return try read(parts[index], from: object, into: buffer, at: offset)
    }

    /// Reads from `offset`, fetching what is missing.
    ///
    /// Chunked files are read ahead when they are read in order.
    /// - Parameters:
    ///   - buffer: as many bytes are wanted as it holds. It must stay valid until the call returns.
    ///   - offset: in bytes, not negative.
    /// - Returns: the number of bytes read; fewer than the buffer holds only at the end of the file.
    /// - Throws: `CVMFSError`; `CancellationError`.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) async throws -> Int {
        try check(offset)
        guard offset < size, buffer.count > 0 else { return 0 }
        let wanted = Int(min(Int64(buffer.count), size - offset))
        let first = FilePart.index(of: offset, in: parts)
        let last = FilePart.index(of: offset + Int64(wanted) - 1, in: parts)
        readAhead(of: first...last, at: offset, count: wanted)
        var done = 0
        while done < wanted {
            let position = offset + Int64(done)
            let index = FilePart.index(of: position, in: parts)
            let object = try await object(index)
            let count = try read(
                parts[index], from: object, into: UnsafeMutableRawBufferPointer(rebasing: buffer[done..<wanted]),
                at: position)
            guard count > 0 else { throw CVMFSError(.corrupt, "\(path): an object ends before its chunk does") }
            done += count
        }
        return done
    }

    /// Up to `count` bytes from `offset`; fewer only at the end of the file.
    public func read(_ count: Int, at offset: Int64) async throws -> [UInt8] {
        try check(offset)
        let available = Int(max(0, min(Int64(max(0, count)), size - offset)))
        // A buffer of its own, since none of an array may be lent across a suspension.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: available, alignment: 16)
        defer { buffer.deallocate() }
        let read = try await read(into: buffer, at: offset)
        return Array(buffer[..<read])
    }

    /// The whole content.
    ///
    /// - Parameter limit: bytes that one is willing to hold in memory.
    public func readAll(limit: Int64 = 1 << 30) async throws -> [UInt8] {
        guard size <= limit else {
            throw CVMFSError(
                .invalidArgument, "\(path) has \(size) bytes, above the limit of \(limit): read it in pieces")
        }
        return try await read(Int(size), at: 0)
    }

    /// The content from the beginning, in pieces of at most `pieceSize` bytes.
    public func contents(pieceSize: Int = 256 << 10) -> FileContents {
        FileContents(file: self, pieceSize: max(1, pieceSize))
    }

    // MARK: Whole objects

    /// Fetches all of the content; what is stored as one object stays pinned for as long as this file is held.
    ///
    /// The chunks of a chunked file are fetched into the cache, which is free to evict those not read last.
    public func load(priority: FetchPriority = .demand) async throws {
        for index in parts.indices { _ = try await object(index, priority: priority) }
    }

    /// Calls `body` with a descriptor of the cached content, for `mmap`, `sendfile` or passthrough.
    ///
    /// - Throws: `.chunkedFile` when the file is not one object; `.invalidArgument` when it is not loaded (`load`), or
    ///   is empty; what `body` throws.
    public func withDescriptor<Result>(_ body: (FileDescriptor) throws -> Result) throws -> Result {
        guard parts.count <= 1 else {
            throw CVMFSError(.chunkedFile, "\(path) is stored in \(parts.count) chunks, so it has no one descriptor")
        }
        guard !parts.isEmpty, let object = try localObject(0) else {
            throw CVMFSError(
                .invalidArgument, "\(path) is \(parts.isEmpty ? "empty" : "not loaded: call load() first")")
        }
        return try object.withDescriptor(body)
    }

    /// How much of the content is in the cache.
    public var availability: FileAvailability { FileAvailability(of: parts, in: fetcher.store) }

    // MARK: Inside

    private func check(_ offset: Int64) throws {
        guard offset >= 0 else { throw CVMFSError(.invalidArgument, "\(path): a negative offset, \(offset)") }
    }

    private func read(
        _ part: FilePart, from object: any StoredObject, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws -> Int {
        let count = Int(min(Int64(buffer.count), part.end - offset))
        do {
            return try object.read(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: offset - part.offset)
        } catch {
            throw CVMFSError.during("cannot read \(path)", error)
        }
    }

    private func localObject(_ index: Int) throws -> (any StoredObject)? {
        if let object = held(index) { return object }
        let part = parts[index]
        do {
            guard let object = try fetcher.cached(part.id, size: .exactly(part.size)) else { return nil }
            hold(object, index)
            return object
        } catch {
            throw CVMFSError.during("cannot read \(path) from the cache", error)
        }
    }

    private func object(_ index: Int, priority: FetchPriority = .demand) async throws -> any StoredObject {
        if let object = held(index) { return object }
        do {
            let object = try await fetcher.object(of: parts[index], in: entry, priority: priority)
            hold(object, index)
            return object
        } catch {
            throw CVMFSError.during("cannot read \(path)", error)
        }
    }

    private func held(_ index: Int) -> (any StoredObject)? { state.withLock { $0.held.use(index) } }

    private func hold(_ object: any StoredObject, _ index: Int) { state.withLock { $0.held.hold(object, index) } }

    private func readAhead(of touched: ClosedRange<Int>, at offset: Int64, count: Int) {
        guard parts.count > 1 else { return }
        state.withLock { state in
            let ahead = state.readAhead.read(at: offset, count: count, chunks: touched, total: parts.count)
            for index in ahead where state.prefetches[index] == nil {
                let part = parts[index]
                state.prefetches[index] = Task(priority: .low) { [fetcher, entry, weak self] in
                    // A failure shows when the chunk is really read.
                    _ = try? await fetcher.object(of: part, in: entry, priority: .prefetch)
                    self?.state.withLock { $0.prefetches[index] = nil }
                }
            }
        }
    }
}
