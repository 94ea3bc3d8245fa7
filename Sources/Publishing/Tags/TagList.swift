package import CASCore
package import Catalog

/// A root catalog as tags name it: what the catalog says of itself.
package struct TaggedRoot: Sendable, Hashable {
    package var hash: ContentHash
    /// Bytes of the catalog, unpacked.
    package var size: Int64
    package var revision: UInt64
    /// When it was made, in seconds since 1970.
    package var timestamp: Int64

    package init(hash: ContentHash, size: Int64, revision: UInt64, timestamp: Int64) {
        self.hash = hash
        self.size = size
        self.revision = revision
        self.timestamp = timestamp
    }
}

/// The tags and branches of a repository, and what may be done with them: no files, no clock. Source: format 4.1.
package struct TagList: Sendable, Hashable {
    package static let trunk = "trunk"
    package static let previousTrunk = "trunk-previous"

    package private(set) var tags: [String: Tag]
    package private(set) var branches: [String: Branch]

    package init(tags: [Tag] = [], branches: [Branch] = []) {
        self.tags = Dictionary(tags.map { ($0.name, $0) }) { first, _ in first }
        self.branches = Dictionary(branches.map { ($0.name, $0) }) { first, _ in first }
        if self.branches[""] == nil { self.branches[""] = Branch(name: "", parent: nil, initialRevision: 0) }
    }

    /// In the order in which they are written: by revision, then by name.
    package var sortedTags: [Tag] { tags.values.sorted { ($0.revision, $0.name) < ($1.revision, $1.name) } }

    package var sortedBranches: [Branch] {
        branches.values.sorted { ($0.initialRevision, $0.name) < ($1.initialRevision, $1.name) }
    }

    // MARK: Publishing

    /// Lets `trunk` stand for a new revision.
    ///
    /// - Parameter keepsPrevious: whether what it stood for becomes `trunk-previous`; otherwise that goes.
    package mutating func moveTrunk(
        to root: TaggedRoot, description: String = "current HEAD", keepsPrevious: Bool = true
    ) {
        tags[Self.previousTrunk] = nil
        if keepsPrevious, let current = tags[Self.trunk] {
            tags[Self.previousTrunk] = Tag(
                name: Self.previousTrunk, rootHash: current.rootHash, revision: current.revision,
                timestamp: current.timestamp, description: "default undo target", size: current.size,
                channel: current.channel, branch: current.branch)
        }
        tags[Self.trunk] = Self.tag(Self.trunk, description, root)
    }

    // MARK: What users do

    /// Whether a user may give the name to a new tag.
    package func checkNew(_ name: String) throws(PublishingError) {
        try Self.checkName(name)
        guard tags[name] == nil else {
            throw PublishingError(
                .exists, "there is a tag \"\(name)\" already: choose another name, or move it by giving a root hash")
        }
    }

    /// Makes a tag.
    ///
    /// - Parameter moves: whether one that exists is let stand for another root. It keeps its description unless a new
    ///   one is given.
    package mutating func add(
        _ name: String, description: String, root: TaggedRoot, moves: Bool = false
    ) throws(PublishingError) {
        try Self.checkName(name)
        guard description.utf8.allSatisfy({ $0 >= 0x20 }) else {
            throw PublishingError(.invalidArgument, "a tag's description is one line without control characters")
        }
        guard let old = tags[name] else {
            tags[name] = Self.tag(name, description, root)
            return
        }
        guard moves else { return try checkNew(name) }
        guard old.rootHash != root.hash else {
            throw PublishingError(.exists, "the tag \"\(name)\" stands for \(root.hash) already")
        }
        tags[name] = Self.tag(name, description.isEmpty ? old.description : description, root, branch: old.branch)
    }

    /// Removes tags; all of them, or none when one cannot be removed.
    /// - Returns: what was removed, in the order of the names.
    @discardableResult
    package mutating func remove(_ names: [String]) throws(PublishingError) -> [Tag] {
        var removed: [Tag] = []
        for name in names {
            try Self.checkIsNoTrunk(name)
            guard let tag = tags[name] else {
                throw PublishingError(.noSuchEntry, "there is no tag \"\(name)\"; nothing was removed")
            }
            if !removed.contains(where: { $0.name == name }) { removed.append(tag) }
        }
        for tag in removed { tags[tag.name] = nil }
        pruneBranches()
        return removed
    }

    // MARK: Rolling back

    /// The tag to which one can roll back.
    ///
    /// - Parameter name: `nil` for the revision before the last one.
    package func rollbackTarget(_ name: String?, current revision: UInt64) throws(PublishingError) -> Tag {
        guard let target = tags[name ?? Self.previousTrunk] else {
            throw PublishingError(
                .noSuchEntry,
                name.map { "there is no tag \"\($0)\"" }
                    ?? "there is no revision to undo: only one step back goes without a tag's name")
        }
        guard target.branch.isEmpty else {
            throw PublishingError(
                .unsupported,
                "\"\(target.name)\" is on the branch \"\(target.branch)\"; one can roll back on the default branch only"
            )
        }
        guard target.revision < revision else {
            throw PublishingError(
                .invalidArgument, "\"\(target.name)\" is revision \(target.revision), and the newest is \(revision)")
        }
        return target
    }

    /// Lets a target stand for the revision that repeats it, and forgets the tags between.
    /// - Returns: the tags that are gone, in the order of revisions.
    @discardableResult
    package mutating func rollBack(to target: Tag, as root: TaggedRoot) -> [Tag] {
        let gone = sortedTags.filter { $0.branch.isEmpty && $0.revision > target.revision }
        for tag in gone { tags[tag.name] = nil }
        tags[target.name] = Self.tag(target.name, target.description, root)
        moveTrunk(to: root, keepsPrevious: false)
        return gone
    }

    // MARK: Parts

    /// A branch without tags goes, and its children become its parent's.
    private mutating func pruneBranches() {
        let used = Set(tags.values.map(\.branch)).union([""])
        for branch in branches.values where used.contains(branch.name) {
            var parent = branch.parent
            var steps = 0
            while let name = parent, !used.contains(name), steps <= branches.count {
                parent = branches[name]?.parent
                steps += 1
            }
            branches[branch.name] = Branch(
                name: branch.name, parent: branch.name.isEmpty ? nil : parent ?? "",
                initialRevision: branch.initialRevision)
        }
        branches = branches.filter { used.contains($0.key) }
    }

    private static func tag(
        _ name: String, _ description: String, _ root: TaggedRoot, branch: String = ""
    ) -> Tag {
        Tag(
            name: name, rootHash: root.hash, revision: root.revision, timestamp: root.timestamp,
            description: description, size: root.size, branch: branch)
    }

    private static func checkIsNoTrunk(_ name: String) throws(PublishingError) {
        guard name != trunk, name != previousTrunk else {
            throw PublishingError(.invalidArgument, "the tag \"\(name)\" follows the revisions by itself")
        }
    }

    /// Whether a tag of a user's may have the name.
    package static func checkName(_ name: String) throws(PublishingError) {
        try checkIsNoTrunk(name)
        guard !name.isEmpty, name.utf8.count <= PublishingLimits.tagNameBytes,
            name.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F })
        else {
            throw PublishingError(
                .invalidArgument,
                "\"\(name.prefix(80))\" is no tag's name: 1 to \(PublishingLimits.tagNameBytes) bytes without blanks")
        }
    }
}
