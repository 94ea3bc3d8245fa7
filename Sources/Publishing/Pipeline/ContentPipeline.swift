internal import CASCore
internal import CPlatform
internal import Catalog
internal import Synchronization
internal import SystemPackage

/// Turns content into stored objects: reads, recognises what is stored already, cuts, packs, hashes, stores.
///
/// Whoever submits content reads it; hashing, packing and storing happen on threads of the pipeline's own, one a core.
/// The memory for all content in work is bounded, however much is submitted and however large it is; a submitter waits
/// when it is used up. Source: format 1, 3.1.
package final class ContentPipeline: Sendable {
    package let options: ContentOptions
    let uploader: any ObjectUploader
    let scratchFolder: String
    let budget = MemoryBudget(bytes: PipelineLimits.memoryBytes)
    let pool: BlockingPool
    let indexes: PublishingIndexes
    private let flights = ContentFlights()
    private let counted = Mutex(PipelineStatistics())
    /// Whether there are objects of which only the size is known.
    let hasCandidates = Atomic(false)

    /// - Parameters:
    ///   - scratchFolder: where content that is too large for memory is packed; best in the storage's file system.
    ///   - stateFolder: where the indexes are; `nil` to do with temporary ones.
    /// - Throws: `unsupported` when this build lacks the deflater.
    package init(
        uploader: any ObjectUploader, options: ContentOptions = ContentOptions(), scratchFolder: String,
        stateFolder: String? = nil
    ) throws(PublishingError) {
        guard options.deflater.isAvailable else {
            throw PublishingError(
                .unsupported, "this build has no \(options.deflater.rawValue); build with the trait, or choose zlib")
        }
        self.uploader = uploader
        self.options = options
        self.scratchFolder = scratchFolder
        indexes = PublishingIndexes(in: stateFolder, options)
        pool = BlockingPool(threads: options.threads ?? Int(cplatform_processor_count()))
    }

    /// Content into a folder of this machine, with the indexes beside it.
    package convenience init(
        storage: LocalStorage, options: ContentOptions = ContentOptions()
    ) throws(PublishingError) {
        let state = StateFolder(storage: FilePath(storage.path))
        // Without it the pipeline does with temporary indexes.
        try? state.make()
        try self.init(
            uploader: storage, options: options, scratchFolder: "\(storage.path)/data/txn",
            stateFolder: state.path.string)
    }

    package var statistics: PipelineStatistics { counted.withLock { $0 } }

    func count(_ change: (inout PipelineStatistics) -> Void) { counted.withLock { change(&$0) } }

    /// What a file was stored as when it was read before, if it is unchanged since and its objects are there.
    ///
    /// It costs some microseconds, and nothing of the file is read.
    package func known(_ file: FileIdentity) async throws -> StoredContent? {
        guard let content = recognised(file), try await isStored(content, isHeld: false) else { return nil }
        return content
    }

    /// What a file was stored as when it was read before, if it is unchanged since. Nobody has looked whether that is
    /// still there.
    @Sendable func recognised(_ file: FileIdentity) -> StoredContent? { indexes.files.content(of: file) }

    /// Whether content of a file that was recognised is there, so that the file need not be read.
    ///
    /// - Parameter isHeld: whether the revision on which the next one is based has it in the same place. Then no
    ///   collection takes it, and it need not be renewed. See Docs/Decisions.md, Collection.
    func isStored(_ content: StoredContent, isHeld: Bool) async throws -> Bool {
        for object in content.objects {
            guard try await isHeld ? uploader.contains(object) : uploader.renew(object) else { return false }
        }
        count { $0.unchangedFiles += 1 }
        return true
    }

    /// Reads a source to its end, on the caller's executor, and returns; packing and storing go on meanwhile. Waits for
    /// memory only.
    ///
    /// What is pending costs its submitter half a kilobyte, so it should not keep more than some thousands.
    /// - Throws: `PublishingError` of the source, or `CancellationError`.
    package func submit(_ source: any ContentSource) async throws -> PendingContent {
        var reader = SourceReader(source)
        let expected = source.expectedSize
        let wholeBytes = options.chunkSizes?.minimum ?? PipelineLimits.wholeBytes
        if let expected, expected <= wholeBytes {
            return try await submitWhole(&reader, capacity: Int(expected))
        }
        if let sizes = options.chunkSizes { return try await submitChunks(&reader, sizes) }
        if expected == nil { return try await submitWhole(&reader, capacity: PipelineLimits.wholeBytes) }
        return try await stream(&reader, after: nil)
    }

    /// Stores the content of a source.
    package func store(_ source: any ContentSource) async throws -> StoredContent {
        try await submit(source).value()
    }

    /// Waits until everything that was submitted is stored, and writes the indexes down.
    package func finish() async throws {
        // Whatever is in work has some of the memory.
        try await budget.take(PipelineLimits.memoryBytes)
        budget.give(PipelineLimits.memoryBytes)
        indexes.commit()
    }

    // MARK: Content that is one object

    private func submitWhole(_ reader: inout SourceReader, capacity: Int) async throws -> PendingContent {
        let buffer = try await ContentBuffer.make(capacity: capacity, from: budget)
        try reader.fill(buffer)
        if !reader.isAtEnd, reader.source.expectedSize == nil { return try await stream(&reader, after: buffer) }
        let file = try reader.end()
        buffer.end(at: buffer.count)
        return pending(reader, .whole(packing(buffer, kind: .file, of: file)))
    }

    // MARK: Content that is cut

    private func submitChunks(_ reader: inout SourceReader, _ sizes: ChunkSizes) async throws -> PendingContent {
        var cutter = ChunkCutter(sizes)
        var pieces: [PendingContent.Piece] = []
        var offset: Int64 = 0
        // What was read behind a cut. Less than a piece of reading: nobody waits for memory while holding a chunk.
        var rest: [UInt8] = []
        do {
            while true {
                let most = sizes.maximum + PipelineLimits.readBytes
                let left = reader.source.expectedSize.map { Int(clamping: max(1, $0 - offset)) } ?? most
                let buffer = try await ContentBuffer.make(capacity: min(most, left), from: budget)
                rest.withUnsafeBytes { buffer.append($0) }
                rest = []
                let cut = try fillToCut(buffer, &reader, &cutter)
                guard let cut else {
                    let file = try reader.end()
                    buffer.end(at: buffer.count)
                    // One chunk is none: the file is stored whole.
                    if pieces.isEmpty { return pending(reader, .whole(packing(buffer, kind: .file, of: file))) }
                    pieces.append(piece(buffer, at: offset))
                    return pending(reader, .chunks(pieces), of: file)
                }
                rest = Array(buffer.bytes[cut...])
                buffer.end(at: cut)
                pieces.append(piece(buffer, at: offset))
                offset += Int64(cut)
            }
        } catch {
            for piece in pieces { piece.packing.cancel() }
            throw error
        }
    }

    /// Reads until a cut falls, and gives its place; `nil` at the end of the content.
    private func fillToCut(
        _ buffer: ContentBuffer, _ reader: inout SourceReader, _ cutter: inout ChunkCutter
    ) throws(PublishingError) -> Int? {
        var fed = 0
        while true {
            if let cut = cutter.cut(UnsafeRawBufferPointer(rebasing: buffer.bytes[fed...])) { return fed + cut }
            fed = buffer.count
            if buffer.room.isEmpty {
                // The source has given what it said.
                return nil
            }
            try reader.readOnce(into: buffer)
            if reader.isAtEnd { return nil }
        }
    }

    private func piece(_ buffer: ContentBuffer, at offset: Int64) -> PendingContent.Piece {
        PendingContent.Piece(offset: offset, size: Int64(buffer.count), packing: packing(buffer, kind: .chunk))
    }

    func pending(
        _ reader: SourceReader, _ form: PendingContent.Form, of file: FileIdentity? = nil
    ) -> PendingContent {
        count { $0.readBytes += reader.count }
        return PendingContent(form: form, compression: options.compression, size: reader.count) { [indexes] content in
            if let file { indexes.files.remember(file, as: content) }
        }
    }

    // MARK: Packing

    private func packing(
        _ buffer: ContentBuffer, kind: ObjectKind, of file: FileIdentity? = nil
    ) -> Task<ContentHash, any Error> {
        Task(executorPreference: pool) {
            try Task.checkCancellation()
            let content = StrongDigest(hashing: buffer.bytes)
            let hash = try await self.flights.object(of: .init(content: content, kind: kind)) {
                try await self.object(of: content, kind, size: Int64(buffer.count)) {
                    let stored = try self.packed(buffer.bytes, compression: self.options.compression)
                    return (.bytes(stored), ContentHash(hashing: stored, with: self.options.algorithm))
                }
            }
            if let file {
                let content = StoredContent(
                    size: Int64(buffer.count), whole: hash, chunks: [], compression: self.options.compression)
                self.indexes.files.remember(file, as: content)
            }
            return hash
        }
    }

    /// The object that holds some content: the one that is stored already, or a new one.
    func object(
        of content: StrongDigest, _ kind: ObjectKind, size: Int64,
        _ make: () throws -> (stored: StoredBytes, hash: ContentHash)
    ) async throws -> ContentHash {
        count { $0.contents += 1 }
        var known = try await stored(content, kind)
        if known == nil, try await recall(content, size: size) { known = try await stored(content, kind) }
        if let known {
            count { $0.knownContents += 1 }
            return known
        }
        let (stored, hash) = try make()
        try await uploader.upload(stored, as: ObjectID(hash, kind: kind, compression: options.compression))
        indexes.ingest.remember(content, as: hash)
        return hash
    }

    /// The object that is known to hold some content, if it is there.
    private func stored(_ content: StrongDigest, _ kind: ObjectKind) async throws -> ContentHash? {
        guard let known = indexes.ingest.object(of: content, algorithm: options.algorithm),
            try await uploader.renew(ObjectID(known, kind: kind, compression: options.compression))
        else { return nil }
        return known
    }

    func packed(
        _ plain: UnsafeRawBufferPointer, compression: Compression
    ) throws(PublishingError) -> [UInt8] {
        guard compression == .zlib else { return Array(plain) }
        do throws(CASError) {
            let packed = try WholeDeflater.deflate(plain, with: options.deflater)
            count {
                $0.packedBytes += Int64(plain.count)
                $0.storedBytes += Int64(packed.count)
            }
            return packed
        } catch {
            throw PublishingError(.storage, "content of \(plain.count) bytes cannot be packed", cause: error)
        }
    }
}
