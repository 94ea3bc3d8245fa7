public import CASCore

/// What a copy of a subtree did.
public struct CopyReport: Sendable {
    /// Entries made or found in place.
    public var entries = 0
    /// Of these, files that were there already, complete, from an earlier run.
    public var alreadyPresent = 0
    /// Bytes of content written.
    public var bytes: Int64 = 0
    /// What could not be carried over, and why: an owner or a device without the right to make them, an attribute that
    /// the file system does not keep. The content is complete all the same.
    public var omissions: [Omission] = []

    public struct Omission: Sendable, Hashable {
        public let path: RepositoryPath
        public let reason: String
    }
}

/// How a copy treats what is there, and whose the result is.
public struct CopyOptions: Sendable {
    /// Whether owners and devices are carried over. Needs root.
    public var preservesOwners: Bool
    /// Files copied at once.
    public var parallelFiles: Int

    /// - Parameters:
    ///   - preservesOwners: by default, whether the process is root.
    ///   - parallelFiles: at least one.
    public init(
        preservesOwners: Bool = Privileges.isRoot, parallelFiles: Int = CompositionLimits.parallelFetches
    ) {
        self.preservesOwners = preservesOwners
        self.parallelFiles = max(1, parallelFiles)
    }
}
