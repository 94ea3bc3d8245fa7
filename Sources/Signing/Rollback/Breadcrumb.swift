public import CASCore

/// What a reader remembers of the newest manifest that it has accepted, so that no older one is taken for new.
///
/// Keep it where it survives a restart, and replace it (atomically) only when the root catalog of a newer manifest has
/// been loaded. The text is the reference's, so that caches can be shared with it. Source: format 2.4, at the end.
public struct Breadcrumb: Sendable, Hashable {
    public let rootCatalog: ContentHash
    /// When the manifest was signed.
    public let published: UnixTime
    /// 0 in the text of old programs, which did not write it; then the time alone decides.
    public let revision: UInt64

    /// Gives `nil` for what the format has no text for: a time that is not after 1970, no hash (zeros), and the
    /// revision that stands for none.
    public init?(rootCatalog: ContentHash, published: UnixTime, revision: UInt64) {
        guard published.seconds > 0, revision != .max, !rootCatalog.isZero else { return nil }
        self.rootCatalog = rootCatalog
        self.published = published
        self.revision = revision
    }

    /// What to remember of a manifest; `nil` when it has no time of signing, which leaves nothing to compare.
    public init?(_ trusted: TrustedManifest) {
        guard let published = trusted.manifest.published else { return nil }
        self.init(
            rootCatalog: trusted.manifest.rootCatalog, published: published, revision: trusted.manifest.revision)
    }

    /// Reads `<hash>T<time>R<revision>`, or without `R` and the revision; a newline at the end is forgiven.
    ///
    /// Gives `nil` for anything else: then nothing is remembered, as in the reference.
    public init?(parsing bytes: [UInt8]) {
        let text = bytes.last == ASCII.newline ? bytes.dropLast() : bytes[...]
        guard bytes.count <= TrustLimits.breadcrumbBytes, let time = text.firstIndex(of: UInt8(ascii: "T")),
            let rootCatalog = ContentHash(String(decoding: text[..<time], as: UTF8.self))
        else { return nil }
        let numbers = text[(time + 1)...].split(separator: UInt8(ascii: "R"), omittingEmptySubsequences: false)
        guard numbers.count <= 2, let published: Int64 = decimal(numbers[0]) else { return nil }
        var revision: UInt64 = 0
        if numbers.count == 2 {
            guard let number: UInt64 = decimal(numbers[1]) else { return nil }
            revision = number
        }
        self.init(rootCatalog: rootCatalog, published: UnixTime(published), revision: revision)
    }

    /// The text to keep, without a newline.
    public var serialized: [UInt8] { Array("\(rootCatalog)T\(published.seconds)R\(revision)".utf8) }

    /// The name of the file in a cache's folder, which the reference uses too.
    public static func fileName(for repository: String) -> String { "cvmfschecksum.\(repository)" }
}

/// How a manifest stands to what was seen before.
public enum Freshness: Sendable, Hashable, CaseIterable {
    /// It is newer: its root catalog is to be taken.
    case newer
    /// It has the root catalog that is known already.
    case unchanged
}

extension Breadcrumb {
    /// Compares a manifest with what was seen last.
    ///
    /// The time of signing must not go back, nor the revision; beyond that the revision decides:
    ///
    /// | time | revision | root catalog | |
    /// |---|---|---|---|
    /// | earlier | any | any | refused: `manifestOutdated` |
    /// | same or later | lower | any | refused: `manifestNotNewer` |
    /// | same or later | same or higher | same | `unchanged` |
    /// | same or later | higher, or 0 and 0 | another | `newer` |
    /// | same or later | same, not 0 | another | refused: `manifestNotNewer` |
    ///
    /// In the last case two different states claim one revision (a stratum 0 restored from a backup, say). The
    /// reference silently stays with the one that it has; here the reader stays too, but can say why.
    ///
    /// This may be asked of a manifest that is not verified yet, to spare the rest when nothing is new; only a trusted
    /// one makes a `Breadcrumb`.
    ///
    /// - Throws: `SigningError`: `manifestOutdated` or `manifestNotNewer`.
    public func admit(_ manifest: Manifest) throws(SigningError) -> Freshness {
        let name = manifest.name ?? "the repository"
        let time = manifest.published ?? UnixTime(0)
        guard time >= published else {
            throw SigningError(
                .manifestOutdated,
                "the manifest of \(name) was signed at \(time), but one of \(published) has been seen: "
                    + "the server is behind, or replays an old state")
        }
        guard manifest.revision >= revision else {
            throw SigningError(
                .manifestNotNewer,
                "the manifest of \(name) has revision \(manifest.revision), but \(revision) has been seen: "
                    + "the server is behind, or replays an old state")
        }
        if manifest.rootCatalog == rootCatalog { return .unchanged }
        guard manifest.revision > revision || revision == 0 else {
            throw SigningError(
                .manifestNotNewer,
                "revision \(revision) of \(name) has the root \(manifest.rootCatalog) now, but had \(rootCatalog) when "
                    + "it was seen first: the next revision will be taken, this one is not")
        }
        return .newer
    }
}
