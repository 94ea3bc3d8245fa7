import CVMFS

/// A front end (a mount, a server) over an image. Docs/Embedding.md
struct FrontEnd: Sendable {
    let image: Image

    /// Answers on the calling thread what is local, and everything else later.
    func read(
        _ path: ImagePath, at offset: Int64, count: Int,
        reply: @escaping @Sendable (Result<[UInt8], any Error>) -> Void
    ) {
        if let bytes = try? readLocally(path, at: offset, count: count) { return reply(.success(bytes)) }
        Task {
            do {
                let file = try await image.snapshot.file(image.entry(at: path))
                reply(.success(try await file.read(count, at: offset)))
            } catch {
                reply(.failure(error))
            }
        }
    }

    private func readLocally(_ path: ImagePath, at offset: Int64, count: Int) throws -> [UInt8]? {
        guard let file = try image.cached(path) else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        guard let read = try bytes.withUnsafeMutableBytes({ try file.readCached(into: $0, at: offset) }) else {
            return nil
        }
        // Fewer bytes than wanted may also mean that a chunk ends here.
        guard read == count || offset + Int64(read) >= file.size else { return nil }
        return Array(bytes.prefix(read))
    }
}
