package import CASCore

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
