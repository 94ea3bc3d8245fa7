/// The list of certificates that may sign a repository, and until when that holds.
///
/// A value of this type says nothing about who wrote it; the one within a `TrustedManifest` was verified.
/// Source: format 2.3.
public struct Whitelist: Sendable, Hashable {
    /// A certificate that may sign.
    public struct Entry: Sendable, Hashable {
        public let fingerprint: Fingerprint
        /// What stands behind the fingerprint, without the `#` and the blanks around.
        public let comment: String?

        public init(_ fingerprint: Fingerprint, comment: String? = nil) {
            self.fingerprint = fingerprint
            self.comment = comment
        }
    }

    /// When it was written; `nil` when the first line is no date. Nothing depends on it.
    public let issued: UnixTime?
    /// The first second at which it is no longer valid: always a full hour.
    public let expires: UnixTime
    /// The repository's name (fqrn).
    public let name: String
    /// Whether it is signed by PKCS#7 beside the file instead of a master key (`Vpkcs7`).
    public let needsPKCS7: Bool
    /// Whether certificates must chain to a certificate authority too (`Wcachain`).
    public let needsCAChain: Bool
    public let entries: [Entry]

    /// - Parameters:
    ///   - issued: when it is written.
    ///   - expires: cut down to the full hour, since minutes and seconds do not count.
    ///   - name: the repository's (fqrn).
    ///   - entries: the certificates that may sign.
    ///   - needsPKCS7: whether it is to be signed by PKCS#7 instead of a master key.
    ///   - needsCAChain: whether certificates must chain to a certificate authority too.
    public init(
        issued: UnixTime, expires: UnixTime, name: String, entries: [Entry], needsPKCS7: Bool = false,
        needsCAChain: Bool = false
    ) {
        self.issued = issued
        let secondOfHour = expires.seconds % 3600
        self.expires = UnixTime(expires.seconds - (secondOfHour < 0 ? secondOfHour + 3600 : secondOfHour))
        self.name = name
        self.needsPKCS7 = needsPKCS7
        self.needsCAChain = needsCAChain
        self.entries = entries
    }

    /// Reads a whitelist without verifying anything but its form.
    ///
    /// - Parameter bytes: the file `.cvmfswhitelist`.
    /// - Throws: `SigningError`: `whitelistMalformed`, `tooLarge`.
    public init(unverified bytes: [UInt8]) throws(SigningError) {
        guard bytes.count <= TrustLimits.whitelistBytes else {
            throw SigningError(
                .tooLarge,
                "the whitelist has \(bytes.count) bytes, more than \(TrustLimits.whitelistBytes) is never read")
        }
        try self.init(text: bytes[..<(SignedLetter.payloadEnd(of: bytes) ?? bytes.endIndex)])
    }

    init(text: ArraySlice<UInt8>) throws(SigningError) {
        var lines = textLines(text)[...]
        guard let first = lines.popFirst(), first.count == 14 else {
            throw Self.malformed("its first line is not a date of 14 digits")
        }
        issued = Self.date(first[...], digits: 14)?.time
        guard let second = lines.popFirst(), second.count == 15, second[0] == UInt8(ascii: "E"),
            let expires = Self.date(second[1...], digits: 10)?.time
        else { throw Self.malformed("its second line is not 'E' and a date of 14 digits") }
        self.expires = expires
        guard let third = lines.popFirst(), third.first == UInt8(ascii: "N"),
            let name = String(validating: third[1...], as: UTF8.self), !name.isEmpty
        else { throw Self.malformed("its third line is not 'N' and the repository's name") }
        self.name = name
        needsPKCS7 = lines.first.map { $0.elementsEqual(Self.pkcs7Line.utf8) } ?? false
        if needsPKCS7 { lines.removeFirst() }
        needsCAChain = lines.first.map { $0.elementsEqual(Self.caChainLine.utf8) } ?? false
        if needsCAChain { lines.removeFirst() }
        entries = lines.prefix { $0 != [ASCII.dash, ASCII.dash] }.compactMap(Self.entry)
    }

    public var fingerprints: [Fingerprint] { entries.map(\.fingerprint) }

    /// The entry that lists a certificate, by whichever algorithm; `nil` when there is none.
    public func entry(for certificate: Certificate) -> Entry? {
        let names = certificate.fingerprints
        return entries.first { names.contains($0.fingerprint) }
    }

    /// Whether it is no longer valid.
    public func isExpired(at time: UnixTime) -> Bool { time >= expires }

    /// The text to be signed.
    ///
    /// - Throws: `SigningError` (`cannotSign`) when the name or a comment has a newline, or a date has no four-digit
    ///   year.
    public func serialized() throws(SigningError) -> [UInt8] {
        var lines = [try Self.dateText(issued ?? UnixTime(0)), "E" + (try Self.dateText(expires)), "N" + name]
        if needsPKCS7 { lines.append(Self.pkcs7Line) }
        if needsCAChain { lines.append(Self.caChainLine) }
        for entry in entries {
            lines.append(entry.fingerprint.description + (entry.comment.map { " # \($0)" } ?? ""))
        }
        let text = lines.map { Array($0.utf8) }
        guard !name.isEmpty, text.allSatisfy({ !$0.contains(ASCII.newline) }) else {
            throw SigningError(.cannotSign, "a whitelist needs a name, and no line break in it or in a comment")
        }
        return text.flatMap { $0 + [ASCII.newline] }
    }

    private static let pkcs7Line = "Vpkcs7"
    private static let caChainLine = "Wcachain"

    private static func malformed(_ what: String) -> SigningError {
        SigningError(.whitelistMalformed, "the whitelist cannot be read: \(what)")
    }

    private static func entry(line: [UInt8]) -> Entry? {
        guard let fingerprint = Fingerprint(line: line) else { return nil }
        let isFiller = { (byte: UInt8) in byte == ASCII.blank || byte == ASCII.tab || byte == ASCII.hash }
        let comment = line[Fingerprint.commentStart(of: line)...].drop(while: isFiller)
        return Entry(fingerprint, comment: comment.isEmpty ? nil : String(decoding: comment, as: UTF8.self))
    }

    /// The first digits of `YYYYMMDDhhmmss`; what is behind them does not count.
    private static func date(_ text: ArraySlice<UInt8>, digits: Int) -> CivilDate? {
        let start = text.startIndex
        let number = { (offset: Int, count: Int) -> Int64? in
            offset < digits ? decimal(text[(start + offset)..<(start + offset + count)]) : 0
        }
        guard let year = number(0, 4), let month = number(4, 2), let day = number(6, 2), let hour = number(8, 2),
            let minute = number(10, 2), let second = number(12, 2)
        else { return nil }
        return CivilDate(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
    }

    private static func dateText(_ time: UnixTime) throws(SigningError) -> String {
        let date = CivilDate(time)
        guard date.time != nil else { throw SigningError(.cannotSign, "\(time) has no year of four digits") }
        return date.year.padded(4)
            + [date.month, date.day, date.hour, date.minute, date.second].map { $0.padded(2) }
            .joined()
    }
}
