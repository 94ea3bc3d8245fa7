public import CASCore

/// What a transaction has done.
public struct PublishingReport: Sendable {
    /// Something of the source that the repository does not have as the source has it.
    public struct Warning: Sendable, CustomStringConvertible {
        public let path: RepositoryPath
        /// What is otherwise, and why.
        public let message: String

        public var description: String { "\(path): \(message)" }
    }

    /// Entries that are new.
    public internal(set) var added: Int64 = 0
    /// Entries that were there with other attributes or other content.
    public internal(set) var changed: Int64 = 0
    /// Entries that are gone.
    public internal(set) var removed: Int64 = 0
    /// Entries that are as they were.
    public internal(set) var unchanged: Int64 = 0
    /// Bytes of the files of the source.
    public internal(set) var fileBytes: Int64 = 0
    /// What the source has and the format cannot hold, the first thousand of it.
    public private(set) var warnings: [Warning] = []
    /// How many warnings there are.
    public private(set) var warningCount = 0

    /// Whether most of what was there is gone, which is often not what was meant.
    public var removesMost: Bool { removed > unchanged + changed && removed >= Self.fewEntries }

    /// Fewer entries are not worth a question.
    private static let fewEntries = 10

    init() {}

    /// Adds what another part of the transaction has done.
    mutating func add(_ other: PublishingReport) {
        added += other.added
        changed += other.changed
        removed += other.removed
        unchanged += other.unchanged
        fileBytes += other.fileBytes
        for warning in other.warnings { warn(warning.path, warning.message) }
        warningCount += other.warningCount - other.warnings.count
    }

    mutating func warn(_ path: RepositoryPath, _ message: String) {
        warningCount += 1
        if warnings.count < SourceLimits.warnings { warnings.append(Warning(path: path, message: message)) }
    }
}
