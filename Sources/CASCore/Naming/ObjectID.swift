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
        guard bytes.count >= 46, bytes.count <= 60, bytes.starts(with: "data/".utf8), bytes[7] == UInt8(ascii: "/")
        else { return nil }
        let name = [bytes[5], bytes[6]] + bytes[8...]
        // Names have lower-case digits only, where hashes are read from either case.
        let isUpperCase = { (byte: UInt8) in byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "F") }
        guard !name[..<ContentHash.digitCount].contains(where: isUpperCase) else { return nil }
        if let hash = name.withUnsafeBytes({ ContentHash(text: $0) }) {
            self.init(hash)
        } else {
            guard let last = name.last, let kind = ObjectKind(rawValue: last), kind != .file,
                let hash = name.withUnsafeBytes({ ContentHash(text: UnsafeRawBufferPointer(rebasing: $0.dropLast())) })
            else { return nil }
            self.init(hash, kind: kind)
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
