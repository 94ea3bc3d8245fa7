/// What can go wrong with a catalog, a history or a reflog.
public struct CatalogError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// The file is no SQLite database.
        case notADatabase
        /// The file is shorter than its header says.
        case truncated
        /// SQLite finds the file's structure broken.
        case corrupt
        /// A schema that cannot be read: 2.0 to 2.3, above 2.5, another text encoding, a file that needs a journal.
        case unsupportedSchema
        /// A table that the schema demands is absent, or is a view or a virtual table.
        case missingTable
        /// A column that the schema demands is absent.
        case missingColumn
        /// A property or counter has a value that makes no sense.
        case malformedProperty
        /// A row of table `catalog` breaks the format's rules.
        case malformedEntry
        /// The chunks of a file leave a gap, overlap, or do not add up to its size; or there are none.
        case malformedChunks
        /// A row of `nested_catalogs` or `bind_mountpoints` breaks the format's rules.
        case malformedMountpoint
        /// A tag or a branch of a history breaks the format's rules.
        case malformedTag
        /// A row of a reflog breaks the format's rules.
        case malformedReference
        /// More, or longer, than one of `CatalogLimits` allows.
        case tooLarge
        /// The query took more steps than a well-formed file can need, and was stopped.
        case interrupted
        /// The path lies outside the subtree that the catalog is mounted at.
        case outsideCatalog
        /// The file cannot be read; see `cause`.
        case io
        /// SQLite has no memory, or cannot be used in this process.
        case system
    }

    public let code: Code
    /// What failed, where, and what to do about it; one line.
    public let message: String
    /// The error behind this one.
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// Whether the file's content is at fault; otherwise the way it was used, the disk, or the process is.
    public var isBadData: Bool {
        switch code {
        case .outsideCatalog, .io, .system: false
        default: true
        }
    }

    public var description: String {
        guard let cause else { return message }
        return "\(message): \(cause)"
    }
}
