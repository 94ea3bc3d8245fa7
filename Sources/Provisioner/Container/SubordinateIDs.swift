internal import CVMFS
internal import Glibc

/// Users and groups of the host that the system has set aside for a user, so that containers of that user can have more
/// than one: what `/etc/subuid` and `/etc/subgid` say, and `newuidmap` and `newgidmap` (Debian package uidmap) map.
///
/// Source: subuid(5), newuidmap(1).
public struct SubordinateIDs: Sendable, Hashable {
    public var users: Range<UInt32>
    public var groups: Range<UInt32>
    var userMapper: String
    var groupMapper: String

    /// What is set aside for the caller; `nil` when nothing is, or the programs are missing, and for root, who needs
    /// nothing set aside. Blocks for a local disk.
    public static func ofCaller() -> SubordinateIDs? {
        guard geteuid() != 0, let userMapper = program("newuidmap"), let groupMapper = program("newgidmap") else {
            return nil
        }
        let name = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) }
        let names = [name, "\(geteuid())"].compactMap { $0 }
        func read(_ path: FilePath) -> Range<UInt32>? {
            let bytes = (try? LocalFile.read(path, limit: ProvisionerLimits.recordBytes)) ?? nil
            return bytes.flatMap { range(of: names, in: String(decoding: $0, as: UTF8.self)) }
        }
        guard let users = read("/etc/subuid"), let groups = read("/etc/subgid") else { return nil }
        return SubordinateIDs(users: users, groups: groups, userMapper: userMapper, groupMapper: groupMapper)
    }

    /// The first range of a user, by name or number.
    static func range(of names: [String], in text: String) -> Range<UInt32>? {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 3, names.contains(String(fields[0])), let first = UInt32(fields[1]),
                let count = UInt32(fields[2]), count > 0
            else { continue }
            let (end, overflow) = first.addingReportingOverflow(count)
            if !overflow, end < .max { return first..<end }
        }
        return nil
    }

    private static func program(_ name: String) -> String? {
        ["/usr/bin", "/bin", "/usr/local/bin"].map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}
