/// A file's content in order, piece by piece.
public struct FileContents: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    let file: File
    let pieceSize: Int

    public func makeAsyncIterator() -> Iterator { Iterator(file: file, pieceSize: pieceSize) }

    public struct Iterator: AsyncIteratorProtocol {
        let file: File
        let pieceSize: Int
        var offset: Int64 = 0

        public mutating func next() async throws -> [UInt8]? {
            guard offset < file.size else { return nil }
            let piece = try await file.read(pieceSize, at: offset)
            offset += Int64(piece.count)
            return piece
        }
    }
}
