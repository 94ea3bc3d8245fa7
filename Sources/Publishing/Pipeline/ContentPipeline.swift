internal import CASCore
internal import CPlatform
internal import Catalog

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

    /// - Parameters:
    ///   - scratchFolder: where content that is too large for memory is packed; best in the storage's file system.
    /// - Throws: `unsupported` when this build lacks the deflater.
    package init(
        uploader: any ObjectUploader, options: ContentOptions = ContentOptions(), scratchFolder: String
    ) throws(PublishingError) {
        guard options.deflater.isAvailable else {
            throw PublishingError(
                .unsupported, "this build has no \(options.deflater.rawValue); build with the trait, or choose zlib")
        }
        self.uploader = uploader
        self.options = options
        self.scratchFolder = scratchFolder
        pool = BlockingPool(threads: options.threads ?? Int(cplatform_processor_count()))
    }

    /// Content into a folder of this machine.
    package convenience init(
        storage: LocalStorage, options: ContentOptions = ContentOptions()
    ) throws(PublishingError) {
        try self.init(uploader: storage, options: options, scratchFolder: "\(storage.path)/data/txn")
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

    /// Waits until everything that was submitted is stored.
    package func finish() async throws {
        // Whatever is in work has some of the memory.
        try await budget.take(PipelineLimits.memoryBytes)
        budget.give(PipelineLimits.memoryBytes)
    }

    // MARK: Content that is one object

    private func submitWhole(_ reader: inout SourceReader, capacity: Int) async throws -> PendingContent {
        let buffer = try await ContentBuffer.make(capacity: capacity, from: budget)
        try reader.fill(buffer)
        if !reader.isAtEnd, reader.source.expectedSize == nil { return try await stream(&reader, after: buffer) }
        _ = try reader.end()
        buffer.end(at: buffer.count)
        return pending(reader, .whole(packing(buffer, kind: .file)))
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
                    _ = try reader.end()
                    buffer.end(at: buffer.count)
                    // One chunk is none: the file is stored whole.
                    if pieces.isEmpty { return pending(reader, .whole(packing(buffer, kind: .file))) }
                    pieces.append(piece(buffer, at: offset))
                    return pending(reader, .chunks(pieces))
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

    private func pending(_ reader: SourceReader, _ form: PendingContent.Form) -> PendingContent {
        PendingContent(form: form, compression: options.compression, size: reader.count, remember: { _ in })
    }

    // MARK: Packing

    private func packing(_ buffer: ContentBuffer, kind: ObjectKind) -> Task<ContentHash, any Error> {
        Task(executorPreference: pool) { try await self.pack(buffer, kind: kind) }
    }

    private func pack(_ buffer: ContentBuffer, kind: ObjectKind) async throws -> ContentHash {
        try Task.checkCancellation()
        let stored = try packed(buffer.bytes, compression: options.compression)
        let hash = ContentHash(hashing: stored, with: options.algorithm)
        let object = ObjectID(hash, kind: kind, compression: options.compression)
        try await uploader.upload(.bytes(stored), as: object)
        return hash
    }

    func packed(
        _ plain: UnsafeRawBufferPointer, compression: Compression
    ) throws(PublishingError) -> [UInt8] {
        guard compression == .zlib else { return Array(plain) }
        do throws(CASError) {
            return try WholeDeflater.deflate(plain, with: options.deflater)
        } catch {
            throw PublishingError(.storage, "content of \(plain.count) bytes cannot be packed", cause: error)
        }
    }
}
