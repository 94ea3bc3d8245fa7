import CASCore
import CVMFS
import Catalog
import FoundationEssentials

/// An entry as `--json` prints it.
struct EntryJSON {
    let snapshot: Snapshot

    func value(of entry: Entry) async throws -> JSONValue {
        var members: [(key: String, value: JSONValue)] = [("path", .string(entry.path.description))]
        if String(validating: entry.path.bytes, as: UTF8.self) == nil {
            members.append(("pathBase64", .string(Self.base64(entry.path.bytes))))
        }
        let target = snapshot.target(of: entry)
        members += [
            ("type", .string(entry.kind.jsonName)),
            ("mode", .string(Self.octal(entry.mode))),
            ("size", .integer(entry.kind == .symlink ? Int64(target.count) : entry.size)),
            ("uid", .integer(Int64(entry.uid))),
            ("gid", .integer(Int64(entry.gid))),
            ("linkCount", .integer(Int64(entry.linkCount))),
            ("mtime", .integer(entry.mtime)),
            ("mtimeNanoseconds", .integer(Int64(entry.mtimeNanoseconds ?? 0))),
        ]
        if let hash = entry.contentHash { members.append(("hash", .string(hash.description))) }
        if entry.kind == .symlink { members += Self.targets(expanded: target, raw: entry.attributes.target) }
        if let device = entry.device {
            members.append(("device", .array([.integer(Int64(device.major)), .integer(Int64(device.minor))])))
        }
        let xattrs = try await snapshot.xattrs(of: entry).attributes
        if !xattrs.isEmpty {
            members.append(
                (
                    "xattrs",
                    .object(
                        xattrs.map { (String(decoding: $0.name, as: UTF8.self), .string(Self.base64($0.value))) })
                ))
        }
        if entry.isChunked {
            let chunks = try await snapshot.chunks(of: entry).map { chunk in
                JSONValue.object([
                    ("offset", .integer(chunk.offset)), ("size", .integer(chunk.size)),
                    ("hash", .string(chunk.hash.description)),
                ])
            }
            members.append(("chunks", .array(chunks)))
        }
        if let nested = try await snapshot.nestedCatalog(at: entry) {
            members.append(("nestedCatalog", .string(nested.hash.description)))
        }
        if entry.isExternal { members.append(("external", .bool(true))) }
        if entry.isHidden { members.append(("hidden", .bool(true))) }
        if entry.kind == .file { members.append(("compression", .string(entry.compression.jsonName))) }
        return .object(members)
    }

    static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    static func octal(_ mode: UInt32) -> String {
        let digits = String(mode & 0o7777, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    private static func targets(expanded: [UInt8], raw: [UInt8]) -> [(key: String, value: JSONValue)] {
        var members: [(key: String, value: JSONValue)] = [
            ("target", .string(String(decoding: expanded, as: UTF8.self)))
        ]
        if raw != expanded { members.append(("targetRaw", .string(String(decoding: raw, as: UTF8.self)))) }
        return members
    }
}

extension EntryKind {
    /// The word that `--json` uses.
    var jsonName: String {
        switch self {
        case .file: "file"
        case .directory: "directory"
        case .symlink: "symlink"
        case .fifo: "fifo"
        case .socket: "socket"
        case .character: "character"
        case .block: "block"
        }
    }

    /// The letter with which `ls -l` begins a line.
    var letter: Character {
        switch self {
        case .file: "-"
        case .directory: "d"
        case .symlink: "l"
        case .fifo: "p"
        case .socket: "s"
        case .character: "c"
        case .block: "b"
        }
    }
}

extension Compression {
    /// The word that `--json` uses.
    var jsonName: String {
        switch self {
        case .zlib: "zlib"
        case .none: "none"
        }
    }
}
