public import CVMFS

/// Whom a program runs as, by numbers.
public struct ImageUser: Sendable, Hashable {
    public var id: UInt32
    public var group: UInt32
    /// Groups beside it, those of `/etc/group` that name the user.
    public var groups: [UInt32]
    /// `HOME` of the user; `/` when the image does not know it.
    public var home: String
    public var name: String?

    public init(id: UInt32, group: UInt32, groups: [UInt32] = [], home: String = "/", name: String? = nil) {
        self.id = id
        self.group = group
        self.groups = groups
        self.home = home
        self.name = name
    }

    /// Root, with the home that it has everywhere.
    public static let root = ImageUser(id: 0, group: 0, home: "/root", name: "root")

    /// Finds the user that a configuration names, in the image's own `/etc/passwd` and `/etc/group`.
    ///
    /// A number that the image does not know is a user too, of group 0 unless a group is named.
    /// - Parameters:
    ///   - text: `user`, `uid`, `user:group`, `uid:gid`, or empty for root.
    ///   - image: whose files name users and groups.
    /// - Throws: `ProvisionerError` with `.noSuchUser`; what reading the image throws.
    public static func find(_ text: String, in image: Image) async throws -> ImageUser {
        // The usual case needs no file of the image.
        if ["", "0", "root", "0:0", "root:root"].contains(text) { return .root }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let users = UserFile(try await UserFile.read("/etc/passwd", in: image))
        let groups = UserFile(try await UserFile.read("/etc/group", in: image))
        return try find(parts[0], parts.count > 1 ? parts[1] : nil, users: users, groups: groups)
    }

    static func find(
        _ user: String, _ group: String?, users: UserFile, groups: UserFile
    ) throws(ProvisionerError) -> ImageUser {
        let number = UInt32(user)
        // A name made of digits is taken for a number, as other runtimes do.
        let known = users.passwords.first { number != nil ? $0.id == number : $0.name == user }
        guard let id = number ?? known?.id, id != .max else {
            throw ProvisionerError(.noSuchUser, "the image's /etc/passwd has no user \"\(user.prefix(64))\"")
        }
        var found = ImageUser(
            id: id, group: known?.group ?? 0, home: known?.home ?? (id == 0 ? "/root" : "/"), name: known?.name)
        if let group, !group.isEmpty {
            guard let id = UInt32(group) ?? groups.groups.first(where: { $0.name == group })?.id, id != .max else {
                throw ProvisionerError(.noSuchUser, "the image's /etc/group has no group \"\(group.prefix(64))\"")
            }
            found.group = id
        } else if let name = known?.name {
            // With a group named, the others are left out.
            found.groups = Array(
                Set(groups.groups.filter { $0.members.contains(name) }.map(\.id)).sorted().prefix(
                    ProvisionerLimits.groups))
        }
        return found
    }
}

/// The lines of a passwd or group file; those that are none are passed over.
struct UserFile {
    private let lines: [[Substring]]

    init(_ bytes: [UInt8]) {
        lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
            $0.split(separator: ":", omittingEmptySubsequences: false)
        }
    }

    /// The file's bytes; nothing when the image has none.
    static func read(_ path: ImagePath, in image: Image) async throws -> [UInt8] {
        do {
            return try await image.file(path).readAll(limit: ProvisionerLimits.userFileBytes)
        } catch let error as CVMFSError where error.category == .absence {
            return []
        }
    }

    var passwords: [(name: String, id: UInt32, group: UInt32, home: String)] {
        lines.compactMap { fields in
            guard fields.count >= 6, let id = UInt32(fields[2]), let group = UInt32(fields[3]) else { return nil }
            return (String(fields[0]), id, group, fields[5].isEmpty ? "/" : String(fields[5]))
        }
    }

    var groups: [(name: String, id: UInt32, members: [String])] {
        lines.compactMap { fields in
            guard fields.count >= 4, let id = UInt32(fields[2]) else { return nil }
            return (String(fields[0]), id, fields[3].split(separator: ",").map(String.init))
        }
    }
}
