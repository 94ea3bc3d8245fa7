public import CASCore

/// The root of a repository: which catalog is the newest, and what belongs to it.
///
/// A value of this type says nothing about who wrote it; a `TrustedManifest` holds one that was verified.
/// Source: format 2.2.
public struct Manifest: Sendable, Hashable {
    /// A field that this version gives no meaning to.
    public struct Field: Sendable, Hashable {
        /// The line's first character.
        public let key: UInt8
        public let value: [UInt8]

        public init(key: UInt8, value: [UInt8]) {
            self.key = key
            self.value = value
        }
    }

    /// `C`: the root catalog.
    public var rootCatalog: ContentHash
    /// `B`: size of the root catalog's file in bytes, unpacked.
    public var rootCatalogSize: Int64?
    /// `R`: key of the path that the root catalog stands for; of a repository, the root.
    public var rootPath: PathKey
    /// `D`: how long, in seconds, readers need not look again. The root catalog has it too, and that counts.
    public var ttl: UInt32
    /// `S`: grows with every publication.
    public var revision: UInt64
    /// `G`: whether objects that are no longer referenced get deleted.
    public var isGarbageCollectable: Bool
    /// `A`: whether root catalog and certificate are to be fetched from `.cvmfsalt-…` instead of `data/`.
    public var hasAlternativePaths: Bool
    /// `L`: reserved.
    public var microCatalog: ContentHash?
    /// `N`: the repository's name (fqrn).
    public var name: String?
    /// `X`: the certificate that signs.
    public var certificate: ContentHash?
    /// `H`: the history database, which holds the tags.
    public var history: ContentHash?
    /// `T`: when it was signed.
    public var published: UnixTime?
    /// `M`: meta-information, a JSON object.
    public var metainfo: ContentHash?
    /// `Y`: hash of the reflog's file when this was signed; there is no object of that name.
    public var reflog: ContentHash?
    /// Everything else in the order of its first appearance; `Z` may repeat.
    public var otherFields: [Field]

    /// The TTL of a catalog that names none: 240 seconds.
    public static let defaultTTL: UInt32 = 240

    public init(
        rootCatalog: ContentHash, rootCatalogSize: Int64? = nil, revision: UInt64, name: String? = nil,
        certificate: ContentHash? = nil, history: ContentHash? = nil, metainfo: ContentHash? = nil,
        reflog: ContentHash? = nil, published: UnixTime? = nil, ttl: UInt32 = Self.defaultTTL,
        isGarbageCollectable: Bool = false, hasAlternativePaths: Bool = false
    ) {
        self.rootCatalog = rootCatalog
        self.rootCatalogSize = rootCatalogSize
        rootPath = RepositoryPath.root.key
        self.ttl = ttl
        self.revision = revision
        self.isGarbageCollectable = isGarbageCollectable
        self.hasAlternativePaths = hasAlternativePaths
        self.name = name
        self.certificate = certificate
        self.history = history
        self.published = published
        self.metainfo = metainfo
        self.reflog = reflog
        otherFields = []
    }

    /// Reads a manifest without verifying anything but its form and its own hash.
    ///
    /// This is for knowing what to fetch, so that it can be verified then.
    /// - Parameter bytes: the file `.cvmfspublished`.
    /// - Throws: `SigningError`: `manifestMalformed`, `manifestHashMismatch`, `tooLarge`.
    public init(unverified bytes: [UInt8]) throws(SigningError) {
        try self.init(text: SignedLetter(parsing: bytes, as: .manifest).payload)
    }

    /// The algorithm of the repository's content.
    public var hashAlgorithm: HashAlgorithm { rootCatalog.algorithm }

    /// The root catalog as an object.
    public var rootCatalogObject: ObjectID { ObjectID(rootCatalog, kind: .catalog) }

    /// The certificate as an object.
    public var certificateObject: ObjectID? { certificate.map { ObjectID($0, kind: .certificate) } }

    /// Where a server keeps an object that this manifest names, below the repository's URL.
    ///
    /// With alternative paths, root catalog and certificate are elsewhere than all others.
    public func serverPath(of object: ObjectID) -> String {
        let isMoved =
            object.kind == .catalog && object.hash == rootCatalog
            || object.kind == .certificate && object.hash == certificate
        return hasAlternativePaths && isMoved ? ".cvmfsalt-\(object)" : object.serverPath
    }
}
