/// A line of revisions of a repository. Source: format 4.1.
public struct Branch: Sendable, Hashable {
    /// Empty for the default branch.
    public let name: String
    /// The branch that it leaves; `nil` for the default one.
    public let parent: String?
    /// The revision with which it begins.
    public let initialRevision: Int64

    public init(name: String, parent: String?, initialRevision: Int64) {
        self.name = name
        self.parent = parent
        self.initialRevision = initialRevision
    }
}
