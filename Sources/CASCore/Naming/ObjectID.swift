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

    /// Reads back a server's path: exactly what `serverPath` writes, nothing else. How the object is compressed the name
    /// does not say; zlib is assumed.
    package init?(serverPath path: some StringProtocol) {
        let bytes = Array(path.utf8)
        // `data/ab/`, 38 digits, and at most a suffix and a letter.
        guard bytes.count >= 46, bytes.count <= 60, path.hasPrefix("data/"), bytes[7] == UInt8(ascii: "/") else {
            return nil
        }
        let name = String(decoding: bytes[5..<7] + bytes[8...], as: UTF8.self)
        if let hash = ContentHash(name) {
            self.init(hash)
        } else {
            guard let last = bytes.last, let kind = ObjectKind(rawValue: last), kind != .file,
                let hash = ContentHash(name.dropLast())
            else { return nil }
            self.init(hash, kind: kind)
        }
        // Names have lower-case digits only, where hashes are read from either case.
        guard serverPath.utf8.elementsEqual(bytes) else { return nil }
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
