internal import CASCore

/// Reads the chunks of a file, and sees to it that they are the whole file and nothing else.
enum ChunkList {
    static func read(_ connection: Connection, _ columns: EntryColumns, of entry: CatalogEntry) throws(CatalogError)
        -> [FileChunk]
    {
        func malformed(_ what: String) -> CatalogError {
            CatalogError(.malformedChunks, "\(connection.label): the chunks of \"\(entry.name)\" \(what)")
        }
        let statement = try connection.statement(.chunks, columns)
        defer { statement.reset() }
        statement.bind(entry.key.first, at: 1)
        statement.bind(entry.key.second, at: 2)
        var chunks: [FileChunk] = []
        while try connection.step(statement) {
            guard chunks.count < CatalogLimits.chunksOfFile else {
                throw CatalogError(
                    .tooLarge,
                    "\(connection.label): \"\(entry.name)\" has more than \(CatalogLimits.chunksOfFile) chunks")
            }
            // The allowance is for the whole query, and a huge file has many chunks.
            if chunks.count % 4096 == 0 { connection.allow(steps: CatalogLimits.stepsOfQuery) }
            guard let offset = statement.integer(0), let size = statement.integer(1), offset >= 0, size > 0,
                size <= CatalogLimits.fileBytes
            else { throw malformed("have an offset or a size that makes no sense") }
            let hash = statement.withBlob(2) {
                ContentHash(algorithm: entry.hashAlgorithm, digest: RawSpan(_unsafeBytes: $0))
            }
            guard let hash = hash ?? nil else { throw malformed("have a hash that does not have 20 bytes") }
            chunks.append(FileChunk(offset: offset, size: size, hash: hash, compression: entry.compression))
        }
        guard !chunks.isEmpty else { throw malformed("are missing") }
        // The primary key's index gives them in order; a file without it need not.
        if !zip(chunks, chunks.dropFirst()).allSatisfy({ $0.offset < $1.offset }) {
            chunks.sort { $0.offset < $1.offset }
        }
        var end: Int64 = 0
        for chunk in chunks {
            guard chunk.offset == end else {
                throw malformed(chunk.offset > end ? "leave a gap at byte \(end)" : "overlap at byte \(chunk.offset)")
            }
            // Cannot overflow: neither term is above `CatalogLimits.fileBytes`.
            end += chunk.size
            guard end <= entry.size else { throw malformed("are longer than the file's \(entry.size) bytes") }
        }
        guard end == entry.size else { throw malformed("end at byte \(end) of \(entry.size)") }
        return chunks
    }
}
