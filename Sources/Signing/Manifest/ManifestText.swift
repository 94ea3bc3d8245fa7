import CASCore

// The manifest as text. Source: format 2.2.

extension Manifest {
    /// Reads the text of a manifest, which is a letter's payload.
    ///
    /// - Throws: `SigningError` (`manifestMalformed`).
    package init(text: [UInt8]) throws(SigningError) {
        var values: [UInt8: [UInt8]] = [:]
        var others: [Field] = []
        for line in textLines(text[...]) {
            // A first line `--`; the reference's reader stops there.
            guard line != [ASCII.dash, ASCII.dash] else { throw Self.malformed("its text is empty") }
            guard let key = line.first else { continue }
            let field = Field(key: key, value: Array(line.dropFirst()))
            if Key(rawValue: key) != nil {
                values[key] = field.value
            } else if key != Self.repeatable, let same = others.firstIndex(where: { $0.key == key }) {
                others[same] = field
            } else {
                others.append(field)
            }
        }
        let fields = ManifestFields(values: values)
        guard let rootCatalog = try fields.hash(.rootCatalog) else {
            throw Self.malformed("it names no root catalog (C)")
        }
        guard let rootPath = try fields.pathKey(.rootPath) else { throw Self.malformed("it names no root path (R)") }
        guard let ttl: UInt32 = try fields.number(.ttl) else { throw Self.malformed("it has no TTL (D)") }
        guard let revision: UInt64 = try fields.number(.revision) else {
            throw Self.malformed("it has no revision (S)")
        }
        guard revision != .max else { throw Self.malformed("its revision (S) is the number that stands for none") }
        self.init(rootCatalog: rootCatalog, revision: revision)
        self.rootPath = rootPath
        self.ttl = ttl
        rootCatalogSize = try fields.number(.rootCatalogSize)
        isGarbageCollectable = fields.isYes(.isGarbageCollectable)
        hasAlternativePaths = fields.isYes(.hasAlternativePaths)
        microCatalog = try fields.hash(.microCatalog)
        name = try fields.text(.name)
        certificate = try fields.hash(.certificate)
        history = try fields.hash(.history)
        let time: Int64? = try fields.number(.published)
        published = time.flatMap { $0 == 0 ? nil : UnixTime($0) }
        metainfo = try fields.hash(.metainfo)
        reflog = try fields.hash(.reflog)
        otherFields = others
    }

    /// The text to be signed.
    ///
    /// - Throws: `SigningError` (`cannotSign`) when a value has a newline, a size or time is negative, or another
    ///   field's key is one of the known.
    public func serialized() throws(SigningError) -> [UInt8] {
        var lines: [[UInt8]] = []
        func add(_ key: Key, _ value: (some CustomStringConvertible)?) {
            guard let value else { return }
            lines.append([key.rawValue] + Array(value.description.utf8))
        }
        add(.rootCatalog, rootCatalog)
        add(.rootCatalogSize, rootCatalogSize)
        add(.rootPath, rootPath.hexadecimal)
        add(.ttl, ttl)
        add(.revision, revision)
        add(.isGarbageCollectable, isGarbageCollectable ? "yes" : "no")
        add(.hasAlternativePaths, hasAlternativePaths ? "yes" : "no")
        add(.microCatalog, microCatalog)
        add(.name, name)
        add(.certificate, certificate)
        add(.history, history)
        add(.published, published?.seconds)
        add(.metainfo, metainfo)
        add(.reflog, reflog)
        lines += otherFields.map { [$0.key] + $0.value }
        let text = lines.flatMap { $0 + [ASCII.newline] }
        // What cannot be read back must not be signed.
        guard let readBack = try? Manifest(text: text), readBack == self else {
            throw SigningError(.cannotSign, "the manifest has a value that its text cannot hold")
        }
        return text
    }

    /// The keys with a meaning.
    enum Key: UInt8 {
        case rootCatalog = 0x43  // C
        case rootCatalogSize = 0x42  // B
        case rootPath = 0x52  // R
        case ttl = 0x44  // D
        case revision = 0x53  // S
        case isGarbageCollectable = 0x47  // G
        case hasAlternativePaths = 0x41  // A
        case microCatalog = 0x4C  // L
        case name = 0x4E  // N
        case certificate = 0x58  // X
        case history = 0x48  // H
        case published = 0x54  // T
        case metainfo = 0x4D  // M
        case reflog = 0x59  // Y
    }

    /// `Z`, the only key of which more than the last line counts.
    private static let repeatable = UInt8(ascii: "Z")

    fileprivate static func malformed(_ what: String) -> SigningError {
        SigningError(.manifestMalformed, "the manifest cannot be read: \(what)")
    }
}

/// A manifest's lines by key, and their values by type: absent, or right, or an error.
private struct ManifestFields {
    let values: [UInt8: [UInt8]]

    private func value(_ key: Manifest.Key) -> [UInt8]? { values[key.rawValue] }

    private func malformed(_ key: Manifest.Key, _ what: String) -> SigningError {
        let letter = String(UnicodeScalar(key.rawValue))
        return Manifest.malformed("\(quoted(value(key) ?? [])) (\(letter)) is no \(what)")
    }

    /// A hash in its only spelling. All zeros stand for none, as old programs wrote it.
    func hash(_ key: Manifest.Key) throws(SigningError) -> ContentHash? {
        guard let value = value(key) else { return nil }
        guard let hash = ContentHash(String(decoding: value, as: UTF8.self)),
            hash.description.utf8.elementsEqual(value)
        else { throw malformed(key, "hash") }
        return hash.isZero ? nil : hash
    }

    /// Digits, and nothing else.
    func number<Number: FixedWidthInteger>(_ key: Manifest.Key) throws(SigningError) -> Number? {
        guard let value = value(key) else { return nil }
        guard let number: Number = decimal(value) else { throw malformed(key, "number from 0 to \(Number.max)") }
        return number
    }

    func text(_ key: Manifest.Key) throws(SigningError) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = String(validating: value, as: UTF8.self), !text.isEmpty else { throw malformed(key, "text") }
        return text
    }

    /// Anything but `yes` is no, as in the reference.
    func isYes(_ key: Manifest.Key) -> Bool { value(key).map { $0.elementsEqual("yes".utf8) } ?? false }

    func pathKey(_ key: Manifest.Key) throws(SigningError) -> PathKey? {
        guard let value = value(key) else { return nil }
        guard let pathKey = PathKey(hexadecimal: value) else { throw malformed(key, "MD5 of a path") }
        return pathKey
    }
}

extension PathKey {
    /// The 32 digits of the digest.
    fileprivate var hexadecimal: String {
        [first, second].map { half in
            let digits = String(UInt64(bitPattern: half).byteSwapped, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    fileprivate init?(hexadecimal text: [UInt8]) {
        guard text.count == 32, text.allSatisfy({ ASCII.isDigit($0) || (0x61...0x66).contains($0) }),
            let first = UInt64(String(decoding: text[..<16], as: UTF8.self), radix: 16),
            let second = UInt64(String(decoding: text[16...], as: UTF8.self), radix: 16)
        else { return nil }
        self.init(first: Int64(bitPattern: first.byteSwapped), second: Int64(bitPattern: second.byteSwapped))
    }
}
