public import CASCore

/// Something in a repository that is not as it must be.
public struct Defect: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// A server does not have the object.
        case missingObject
        /// The object's bytes are not those that its name stands for.
        case corruptObject
        /// The object's content has another size than the catalog says.
        case wrongSize
        /// No server delivers the object, for a reason that may pass.
        case unreachableObject
        /// A catalog, or the history, cannot be read or contradicts the format.
        case malformedCatalog
        /// An entry contradicts the format.
        case malformedEntry
        /// The chunks of a file leave a gap, overlap, or do not add up to its size.
        case malformedChunks
        /// A regular file has neither a hash nor chunks.
        case missingContent
        /// A mountpoint without its nested catalog, or the other way round, or the two disagree.
        case nestedMismatch
        /// A row that no path leads to.
        case unreachableEntry
        /// A counter of a catalog is wrong.
        case wrongCounter
        /// A link count or a hardlink group is wrong.
        case wrongLinkCount
    }

    public let kind: Kind
    /// Where it shows; of an object, one of the paths that lead to it.
    public let path: RepositoryPath
    /// The object concerned.
    public let object: ObjectID?
    /// What exactly is wrong.
    public let detail: String
}

/// What a check of a whole repository found.
public struct VerificationReport: Sendable {
    public var catalogs = 0
    public var entries = 0
    public var objects = 0
    /// Bytes of content checked, unpacked.
    public var bytes: Int64 = 0
    public var defects: [Defect] = []

    public var isSound: Bool { defects.isEmpty }
}
