public import CASCore
internal import CVMFS

/// Something in a repository's storage that is not as it must be.
public struct CheckDefect: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Manifest, whitelist or certificate: malformed, of another repository, not signed by whom it must be.
        case trust
        /// The list of tags.
        case history
        /// The list of what was ever published.
        case reflog
        /// An object is not there.
        case missingObject
        /// An object's bytes are not those that its name stands for.
        case corruptObject
        /// An object's content has another size than a catalog says, or two catalogs disagree about it.
        case wrongSize
        /// A catalog cannot be read, or contradicts the format.
        case malformedCatalog
        case malformedEntry
        /// The chunks of a file leave a gap, overlap, or do not add up to its size.
        case malformedChunks
        /// A regular file has neither a hash nor chunks.
        case missingContent
        /// A mountpoint without its nested catalog, or the other way round, or the two disagree.
        case nestedMismatch
        /// A nested catalog without its marker, or a marker elsewhere.
        case misplacedMarker
        /// A row that no path leads to.
        case unreachableEntry
        /// A counter of a catalog is wrong.
        case wrongCounter
        /// A link count or a hardlink group is wrong.
        case wrongLinkCount
    }

    public let kind: Kind
    /// Where it shows; of an object, the first path found that leads to it. `nil` when it is not in the tree.
    public let path: RepositoryPath?
    public let object: ObjectID?
    /// What exactly is wrong.
    public let detail: String

    init(_ kind: Kind, _ path: RepositoryPath?, _ object: ObjectID?, _ detail: String) {
        self.kind = kind
        self.path = path
        self.object = object
        self.detail = detail
    }

    init(_ defect: Defect) {
        let kind: Kind =
            switch defect.kind {
            case .missingObject, .unreachableObject: .missingObject
            case .corruptObject: .corruptObject
            case .wrongSize: .wrongSize
            case .malformedCatalog: .malformedCatalog
            case .malformedEntry: .malformedEntry
            case .malformedChunks: .malformedChunks
            case .missingContent: .missingContent
            case .nestedMismatch: .nestedMismatch
            case .unreachableEntry: .unreachableEntry
            case .wrongCounter: .wrongCounter
            case .wrongLinkCount: .wrongLinkCount
            }
        self.init(kind, defect.path, defect.object, defect.detail)
    }
}

/// What a check of a repository's storage has found.
public struct CheckReport: Sendable {
    public internal(set) var catalogs = 0
    public internal(set) var entries = 0
    /// Objects whose bytes were hashed, and these bytes, as stored.
    public internal(set) var objects = 0
    public internal(set) var bytes: Int64 = 0
    /// Bytes that they were unpacked to; 0 unless that was asked for.
    public internal(set) var contentBytes: Int64 = 0
    /// Stored objects that no revision needs. They are no defect: a publication that failed leaves some, and the next
    /// collection takes them.
    public internal(set) var orphans = 0
    public internal(set) var orphanBytes: Int64 = 0
    /// At most `CheckLimits.defects` of them.
    public internal(set) var defects: [CheckDefect] = []
    public internal(set) var defectCount = 0

    public var isSound: Bool { defectCount == 0 }

    mutating func add(_ defect: CheckDefect) {
        defectCount += 1
        if defects.count < CheckLimits.defects { defects.append(defect) }
    }
}

/// Bounds of a check.
public enum CheckLimits {
    /// Defects that are kept word by word; further ones are only counted.
    public static let defects = 10_000
    /// Bytes read at a time from an object that is hashed: what a core's own cache holds.
    static let readBytes = 256 << 10
    /// Catalogs that are read at once: two for each core of a small machine.
    static let parallelCatalogs = 4
}
