internal import CASCore
internal import CVMFS
internal import FoundationEssentials

/// A root file system that was provisioned, as its record says; the record is there before the root is.
public struct ProvisionedRoot: Sendable, Hashable, Codable {
    /// Where it is mounted; an absolute path.
    public let target: String
    /// The repository's name (fqrn).
    public let repository: String
    public let rootHash: String
    public let revision: UInt64
    /// The image's folder in the repository; what is not UTF-8 in it is replaced.
    public let path: String
    /// The lazy mount below it, which roots of one snapshot share.
    public let mountpoint: String
    /// Where its changes are; `nil` when it is read-only.
    public let layer: String?
    /// The layer is ours, and goes with the root.
    let ownsLayer: Bool
    /// The target was made for it.
    let ownsTarget: Bool
    /// The boot and the mount namespace that it is mounted in.
    let boot: String
    let namespace: UInt64

    var name: String { RootFolder.name(of: target, in: namespace) }
}

/// Whether a root can be used.
public enum RootState: String, Sendable, Hashable {
    /// Mounted, and its lazy mount is served.
    case ready
    /// What is left of it is to be tidied up (`clean`, or `remove`).
    case dead
    /// In a mount namespace that is not the caller's.
    case elsewhere
}

/// The folder of records, mountpoints and layers; one at a time changes it.
struct RootFolder: Sendable {
    let path: FilePath

    var records: FilePath { path.appending("roots") }
    var mounts: FilePath { path.appending("mounts") }
    var layers: FilePath { path.appending("layers") }

    static func name(of text: String, in namespace: UInt64) -> String {
        let bytes = Array("\(namespace)\n\(text)".utf8)
        let key = PathKey(path: bytes.span.bytes)
        return String(UInt64(bitPattern: key.first), radix: 16) + String(UInt64(bitPattern: key.second), radix: 16)
    }

    func record(_ root: ProvisionedRoot) throws {
        try LocalFile.replace(records.appending(root.name + ".json"), with: Array(try JSONEncoder().encode(root)))
    }

    /// All records that can be read.
    func all() throws -> [ProvisionedRoot] {
        let names = (try? LocalFile.names(in: records)) ?? nil
        return (names ?? []).filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }.compactMap { name in
            guard
                let bytes = try? LocalFile.read(records.appending(name), limit: ProvisionerLimits.recordBytes)
            else { return nil }
            return try? BoundedJSON.decode(ProvisionedRoot.self, from: bytes, what: name)
        }
    }
}
