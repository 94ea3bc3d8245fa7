internal import CASCore
internal import Catalog

/// Content that was read and is being packed and stored.
package struct PendingContent: Sendable {
    struct Piece: Sendable {
        let offset: Int64
        let size: Int64
        let packing: Task<ContentHash, any Error>
    }

    enum Form: Sendable {
        case stored(ContentHash)
        case whole(Task<ContentHash, any Error>)
        case chunks([Piece])
    }

    let form: Form
    let compression: Compression
    /// Bytes of plain content.
    package let size: Int64
    /// Told of what chunks were stored as.
    let remember: @Sendable (StoredContent) -> Void

    /// Waits until everything is stored.
    /// - Throws: what went wrong, a `PublishingError`.
    package func value() async throws -> StoredContent {
        switch form {
        case .stored(let hash): return content(whole: hash)
        case .whole(let packing): return content(whole: try await packing.value)
        case .chunks(let pieces):
            var chunks: [FileChunk] = []
            chunks.reserveCapacity(pieces.count)
            for piece in pieces {
                let hash = try await piece.packing.value
                chunks.append(
                    FileChunk(offset: piece.offset, size: piece.size, hash: hash, compression: compression))
            }
            let content = StoredContent(size: size, whole: nil, chunks: chunks, compression: compression)
            remember(content)
            return content
        }
    }

    private func content(whole: ContentHash) -> StoredContent {
        StoredContent(size: size, whole: whole, chunks: [], compression: compression)
    }
}
