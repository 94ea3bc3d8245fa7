package import CASCore

extension ContentPipeline {
    /// Packs content that is too large for memory while it is read.
    /// - Parameter start: what was read of it already.
    func stream(_ reader: inout SourceReader, after start: ContentBuffer?) async throws -> PendingContent {
        var object = try StreamedObject(
            in: scratchFolder, algorithm: options.algorithm, compression: options.compression)
        try feed(&object, &reader, after: start)
        let file = try reader.end()
        let content = object.plainDigest()
        let hash = try await self.object(of: content, .file, size: reader.count) { try object.finish() }
        if let file {
            let content = StoredContent(size: reader.count, whole: hash, chunks: [], compression: options.compression)
            indexes.files.remember(file, as: content)
        }
        return pending(reader, .stored(hash))
    }

    /// Stores a catalog, a history, a certificate or meta-information: one zlib stream, never cut.
    package func storeObject(_ source: any ContentSource, kind: ObjectKind) async throws -> StoredObjectFile {
        var reader = SourceReader(source)
        if let size = source.expectedSize, size <= PipelineLimits.wholeBytes {
            let buffer = try await ContentBuffer.make(capacity: Int(size), from: budget)
            try reader.fill(buffer)
            _ = try reader.end()
            let hash = try await Task(executorPreference: pool) {
                let stored = try self.packed(buffer.bytes, compression: .zlib)
                let hash = ContentHash(hashing: stored, with: self.options.algorithm)
                try await self.uploader.upload(.bytes(stored), as: ObjectID(hash, kind: kind))
                return hash
            }.value
            return StoredObjectFile(object: ObjectID(hash, kind: kind), size: reader.count)
        }
        var object = try StreamedObject(in: scratchFolder, algorithm: options.algorithm, compression: .zlib)
        try feed(&object, &reader, after: nil)
        _ = try reader.end()
        let (stored, hash) = try object.finish()
        try await uploader.upload(stored, as: ObjectID(hash, kind: kind))
        return StoredObjectFile(object: ObjectID(hash, kind: kind), size: reader.count)
    }

    private func feed(
        _ object: inout StreamedObject, _ reader: inout SourceReader, after start: ContentBuffer?
    ) throws {
        if let start { try object.write(start.bytes) }
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: PipelineLimits.readBytes, alignment: 64)
        defer { piece.deallocate() }
        while true {
            let count = try reader.read(piece)
            if count == 0 { return }
            try Task.checkCancellation()
            try object.write(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
    }
}
