/// Certificates and revisions that are refused whatever is signed: the reader's own list.
///
/// Read it again whenever the manifest is, and ask it about the revision in use too. Source: format 2.3, blacklist.
public struct Blacklist: Sendable, Hashable {
    /// All revisions of a repository below one.
    public struct RevisionRule: Sendable, Hashable {
        public let name: String
        public let lowestAllowed: UInt64

        public init(name: String, lowestAllowed: UInt64) {
            self.name = name
            self.lowestAllowed = lowestAllowed
        }
    }

    public var fingerprints: Set<Fingerprint>
    public var revisions: [RevisionRule]

    /// Refuses nothing.
    public static let empty = Blacklist()

    public init(fingerprints: Set<Fingerprint> = [], revisions: [RevisionRule] = []) {
        self.fingerprints = fingerprints
        self.revisions = revisions
    }

    /// Reads the text of a blacklist: a fingerprint a line, or `<NAME N`.
    ///
    /// Other lines mean nothing, as in the reference.
    ///
    /// - Throws: `SigningError` (`tooLarge`): half a blacklist is none.
    public init(parsing bytes: [UInt8]) throws(SigningError) {
        guard bytes.count <= TrustLimits.blacklistBytes else {
            throw SigningError(
                .tooLarge,
                "the blacklist has \(bytes.count) bytes, more than \(TrustLimits.blacklistBytes) is never read")
        }
        self.init()
        for line in textLines(bytes[...]) {
            if line.first == UInt8(ascii: "<") {
                if let rule = Self.revisionRule(line[1...]) { revisions.append(rule) }
            } else if let fingerprint = Fingerprint(line: line) {
                fingerprints.insert(fingerprint)
            }
        }
    }

    /// Joins two lists: what either refuses is refused.
    public func union(_ other: Blacklist) -> Blacklist {
        Blacklist(fingerprints: fingerprints.union(other.fingerprints), revisions: revisions + other.revisions)
    }

    /// Whether the certificate is refused.
    public func refuses(_ certificate: Certificate) -> Bool {
        certificate.fingerprints.contains(where: fingerprints.contains)
    }

    /// Whether a revision of the repository is refused.
    public func refuses(revision: UInt64, of name: String) -> Bool {
        revisions.contains { $0.name.utf8.elementsEqual(name.utf8) && revision < $0.lowestAllowed }
    }

    /// A name, blanks, and digits to the end of the line.
    private static func revisionRule(_ text: ArraySlice<UInt8>) -> RevisionRule? {
        let isBlank = { (byte: UInt8) in byte == ASCII.blank || byte == ASCII.tab }
        guard let blank = text.firstIndex(where: isBlank), blank > text.startIndex else { return nil }
        let digits = text[blank...].drop(while: isBlank)
        guard !digits.isEmpty, digits.allSatisfy(ASCII.isDigit) else { return nil }
        // A number beyond all revisions was meant to refuse every one.
        return RevisionRule(
            name: String(decoding: text[..<blank], as: UTF8.self), lowestAllowed: decimal(digits) ?? .max)
    }
}
