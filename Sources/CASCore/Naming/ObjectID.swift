/// Everything one must know of an object to fetch, verify and unpack it.
///
/// Two identities are equal when hash and compression are: the kind decides only where a server keeps it. (The same
/// stored bytes named once as zlib and once as uncompressed have two different contents.)
public struct ObjectID: Sendable, Hashable {
    public let hash: ContentHash
    public let compression: Compression
    public let kind: ObjectKind

    public init(_ hash: ContentHash, kind: ObjectKind = .file, compression: Compression = .zlib) {
        self.hash = hash
        self.kind = kind
        self.compression = compression
    }

    /// Where a server keeps the object, below the repository's URL: `data/ab/cdef…C`.
    public var serverPath: String {
        TextWriter.text { text in
            text.append("data/")
            text.append(hash, inFolder: true)
            text.append(hash.algorithm.suffix)
            text.append(kind)
        }
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.hash == right.hash && left.compression == right.compression
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(hash)
        hasher.combine(compression)
    }
}

extension ObjectID: CustomStringConvertible {
    /// The hash's text and the kind's letter.
    public var description: String {
        TextWriter.text { text in
            text.append(hash)
            text.append(hash.algorithm.suffix)
            text.append(kind)
        }
    }
}
