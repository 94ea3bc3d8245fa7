/// Whose the files of a mount appear to be. Source: format 6.3.
public struct Ownership: Sendable, Hashable, Codable {
    /// What a published number becomes, `*` being what no other line names.
    public struct Map: Sendable, Hashable, Codable {
        public var numbers: [UInt32: UInt32] = [:]
        public var others: UInt32?

        public init() {}

        /// Reads lines of `from to`, or `* to`; `#` begins a comment.
        public init(parsing text: String) throws(MountError) {
            for line in text.split(whereSeparator: \.isNewline) {
                let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
                if words.isEmpty { continue }
                guard words.count == 2, let to = UInt32(words[1]) else {
                    throw MountError(
                        .invalidConfiguration, "\"\(line)\" in a map of owners is not FROM TO, nor * TO")
                }
                if words[0] == "*" {
                    others = to
                } else if let from = UInt32(words[0]) {
                    numbers[from] = to
                } else {
                    throw MountError(.invalidConfiguration, "\"\(words[0])\" in a map of owners is no number")
                }
            }
        }

        func callAsFunction(_ number: UInt32) -> UInt32 { numbers[number] ?? others ?? number }
    }

    /// Everything belongs to this user and group, whatever was published.
    public var claimedBy: [UInt32]?
    public var users: Map?
    public var groups: Map?
    /// Users and groups from these numbers on are nobody's: those that a user namespace does not map.
    public var usersBelow: UInt32?
    public var groupsBelow: UInt32?
    /// Everybody may read everything, and enter every folder.
    public var isWorldReadable = false

    /// Owners as they were published.
    public static let published = Ownership()

    public init() {}

    func user(_ number: UInt32) -> UInt32 {
        Self.bounded(claimedBy?.first ?? users?(number) ?? number, by: usersBelow)
    }

    func group(_ number: UInt32) -> UInt32 {
        Self.bounded(claimedBy?.last ?? groups?(number) ?? number, by: groupsBelow)
    }

    private static func bounded(_ number: UInt32, by bound: UInt32?) -> UInt32 {
        guard let bound, number >= bound else { return number }
        let nobody: UInt32 = 65534
        return nobody < bound ? nobody : 0
    }

    func mode(_ mode: UInt32) -> UInt32 {
        guard isWorldReadable else { return mode }
        return mode | (mode & 0o170000 == 0o040000 ? 0o555 : 0o444)
    }
}
