public import CASCore
import Foundation

/// One entry of a published tree, as it was on the disk before publishing.
public struct FixtureEntry: Sendable, Decodable {
    public enum Kind: String, Sendable, Decodable {
        case file, directory, symlink, fifo, socket, character, block
    }

    public let path: RepositoryPath
    public let kind: Kind
    /// Permissions with the set-id and sticky bits, without the type.
    public let mode: UInt16
    public let uid: UInt32
    public let gid: UInt32
    /// Seconds since 1970; `nil` for the root, whose own times are not comparable.
    public let mtime: Int64?
    public let mtimeNanoseconds: Int32?
    /// Of a file, in bytes.
    public let size: Int64?
    /// SHA-256 of a file's content, lower-case hexadecimal.
    public let sha256: String?
    /// Of a file with more than one name: how many there are, and a number that all of them share.
    public let linkCount: Int?
    public let linkGroup: Int?
    /// Of a symlink, before variables are expanded.
    public let targetRaw: [UInt8]?
    /// Of a device: major and minor number.
    public let device: [Int]?
    /// Full names (`user.note`) and values; empty where there are none.
    public let xattrs: [String: [UInt8]]

    private enum CodingKeys: String, CodingKey {
        case path, pathBase64, type, mode, uid, gid, mtime, mtimeNanoseconds, size, sha256, linkCount, linkGroup
        case targetRaw, device, xattrs
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        if let bytes = try fields.decodeIfPresent(Data.self, forKey: .pathBase64) {
            path = RepositoryPath(bytes: bytes)
        } else {
            path = RepositoryPath(try fields.decode(String.self, forKey: .path))
        }
        kind = try fields.decode(Kind.self, forKey: .type)
        let octal = try fields.decode(String.self, forKey: .mode)
        guard let mode = UInt16(octal, radix: 8) else {
            throw DecodingError.dataCorruptedError(forKey: .mode, in: fields, debugDescription: "\(octal) is not octal")
        }
        self.mode = mode
        uid = try fields.decode(UInt32.self, forKey: .uid)
        gid = try fields.decode(UInt32.self, forKey: .gid)
        mtime = try fields.decodeIfPresent(Int64.self, forKey: .mtime)
        mtimeNanoseconds = try fields.decodeIfPresent(Int32.self, forKey: .mtimeNanoseconds)
        size = try fields.decodeIfPresent(Int64.self, forKey: .size)
        sha256 = try fields.decodeIfPresent(String.self, forKey: .sha256)
        linkCount = try fields.decodeIfPresent(Int.self, forKey: .linkCount)
        linkGroup = try fields.decodeIfPresent(Int.self, forKey: .linkGroup)
        targetRaw = try fields.decodeIfPresent(String.self, forKey: .targetRaw).map { Array($0.utf8) }
        device = try fields.decodeIfPresent([Int].self, forKey: .device)
        xattrs = try fields.decodeIfPresent([String: Data].self, forKey: .xattrs)?.mapValues { Array($0) } ?? [:]
    }
}
