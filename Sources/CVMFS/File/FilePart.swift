package import CASCore
package import Catalog
internal import Transport

/// A stretch of a file that is one object: the whole of an ordinary file, or a chunk.
package struct FilePart: Sendable, Hashable {
    package let id: ObjectID
    /// Where it begins in the file, in bytes.
    package let offset: Int64
    /// Unpacked size in bytes.
    package let size: Int64

    package init(id: ObjectID, offset: Int64, size: Int64) {
        self.id = id
        self.offset = offset
        self.size = size
    }

    package var end: Int64 { offset + size }

    /// The parts of a file in their order; an empty file has none.
    static func parts(of entry: Entry, chunks: [FileChunk]) throws -> [FilePart] {
        try parts(of: entry.attributes, at: entry.path, chunks: chunks)
    }

    /// The same for a row and its path.
    package static func parts(
        of entry: CatalogEntry, at path: @autoclosure () -> RepositoryPath, chunks: [FileChunk]
    ) throws -> [FilePart] {
        guard entry.size > 0 else { return [] }
        if entry.isChunked {
            return chunks.map { FilePart(id: $0.object, offset: $0.offset, size: $0.size) }
        }
        guard let id = entry.object else {
            throw CVMFSError(.corrupt, "\(path()) has neither a content hash nor chunks in its catalog")
        }
        return [FilePart(id: id, offset: 0, size: entry.size)]
    }

    /// The index of the part that holds an offset. The parts cover the file without gaps.
    package static func index(of offset: Int64, in parts: [FilePart]) -> Int {
        var low = 0
        var high = parts.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if parts[middle].offset <= offset { low = middle } else { high = middle - 1 }
        }
        return low
    }
}

extension ObjectFetcher {
    /// The object of a part of a file, from the cache or from where the file's content is kept.
    func object(of part: FilePart, in entry: Entry, priority: FetchPriority) async throws -> any StoredObject {
        try await object(
            of: part, at: entry.path, isChunked: entry.isChunked, isExternal: entry.isExternal, priority: priority)
    }

    /// The same for a file whose path is known, and how its content is kept.
    package func object(
        of part: FilePart, at path: RepositoryPath, isChunked: Bool, isExternal: Bool, priority: FetchPriority
    ) async throws -> any StoredObject {
        let reason: FetchEvent.Reason = isChunked ? .chunk(path, offset: part.offset) : .file(path)
        guard isExternal else {
            return try await object(part.id, size: .exactly(part.size), for: reason, priority: priority)
        }
        if let object = try cached(part.id, size: .exactly(part.size)) { return object }
        guard let external else {
            throw CVMFSError(
                .invalidArgument,
                "\(path) is an external file, whose content is not in the repository: name the server that has it (--external-server, RepositoryOptions.externalTransport)"
            )
        }
        // Source: format 3, external files. Chunks are ranges of the plain file; what is not chunked comes whole.
        let request = TransferRequest(
            ResourcePath.escaped(path.bytes.dropFirst()),
            limit: Self.storedBytes(of: .exactly(part.size), compression: part.id.compression),
            priority: priority, range: isChunked ? part.offset..<part.end : nil)
        return try await object(part.id, size: .exactly(part.size), priority: priority) { [self] sink in
            try await transfer(request, object: part.id, for: reason, into: sink, by: external)
        }
    }
}
