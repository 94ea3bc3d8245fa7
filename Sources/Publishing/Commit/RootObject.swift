package import CASCore
internal import Glibc
internal import SystemPackage

/// A small object of a repository's root: packed as all of them are, whatever deflater files have. Source: format 1.
package struct RootObject: Sendable {
    package let object: ObjectID
    let stored: [UInt8]

    package init(_ content: [UInt8], kind: ObjectKind, algorithm: HashAlgorithm) throws {
        var deflater = try Deflater()
        var stored: [UInt8] = []
        let take = { (piece: RawSpan) in piece.withUnsafeBytes { stored.append(contentsOf: $0) } }
        let plain = content.span.bytes
        try deflater.update(plain, take)
        try deflater.finish(take)
        self.stored = stored
        object = ObjectID(ContentHash(hashing: stored, with: algorithm), kind: kind)
    }

    /// Stores it, or renews the one that is there.
    @discardableResult
    package func store(in storage: LocalStorage) throws -> ContentHash {
        try storage.upload(.bytes(stored), as: object)
        return object.hash
    }
}

extension RootObject {
    /// Packs and stores a file of any size, piece by piece.
    static func store(
        fileAt path: FilePath, kind: ObjectKind, algorithm: HashAlgorithm, in storage: LocalStorage
    ) throws -> (object: ObjectID, size: Int64) {
        let packed = storage.scratchPath()
        defer { unlink(packed) }
        let input = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        defer { try? input.close() }
        let output = try FileDescriptor.open(
            FilePath(packed), .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
            permissions: .ownerReadWrite)
        var size: Int64 = 0
        let hash = try output.closeAfter {
            var deflater = try Deflater()
            var hasher = ContentHasher(algorithm)
            var failure: (any Error)?
            func take(_ piece: RawSpan) {
                hasher.update(piece)
                do {
                    _ = try piece.withUnsafeBytes { try output.writeAll($0) }
                } catch { failure = error }
            }
            var buffer = [UInt8](repeating: 0, count: 1 << 18)
            while failure == nil {
                let count = try buffer.withUnsafeMutableBytes { try input.read(into: $0) }
                guard count > 0 else { break }
                size += Int64(count)
                let plain = buffer.span.bytes.extracting(first: count)
                try deflater.update(plain, take)
            }
            try deflater.finish(take)
            if let failure { throw PublishingError(.storage, "\(packed) cannot be written", cause: failure) }
            return hasher.finalize()
        }
        let object = ObjectID(hash, kind: kind)
        try storage.upload(.file(at: packed), as: object)
        return (object, size)
    }
}
