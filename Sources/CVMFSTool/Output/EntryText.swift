import CASCore
import CVMFS
import Catalog
import Signing

/// An entry as a line for people, in the manner of `ls -l`.
struct EntryText {
    let snapshot: Snapshot

    func longLine(_ entry: Entry, name: [UInt8]) -> [UInt8] {
        let size =
            entry.device.map { "\($0.major), \($0.minor)" }
            ?? String(entry.kind == .symlink ? Int64(snapshot.target(of: entry).count) : entry.size)
        let columns = [
            Self.permissions(entry), Self.right(String(entry.linkCount), 3), Self.right(String(entry.uid), 5),
            Self.right(String(entry.gid), 5), Self.right(size, 10), UnixTime(entry.mtime).description,
        ]
        var line = Array(columns.joined(separator: " ").utf8) + [UInt8(ascii: " ")] + name
        if entry.kind == .symlink { line += Array(" -> ".utf8) + TerminalText.name(snapshot.target(of: entry)) }
        return line
    }

    /// All that is known of an entry, a fact a line.
    func description(_ entry: Entry) async throws -> String {
        var lines = [
            "Path:     \(entry.path)",
            "Type:     \(entry.kind.jsonName)",
            "Mode:     \(EntryJSON.octal(entry.mode)) (\(Self.permissions(entry)))",
            "Owner:    \(entry.uid):\(entry.gid)",
            "Links:    \(entry.linkCount)",
            "Modified: \(UnixTime(entry.mtime).description)",
        ]
        if let device = entry.device {
            lines.append("Device:   \(device.major), \(device.minor)")
        } else {
            lines.append("Size:     \(entry.kind == .symlink ? Int64(snapshot.target(of: entry).count) : entry.size)")
        }
        if entry.kind == .symlink {
            lines.append("Target:   \(String(decoding: snapshot.target(of: entry), as: UTF8.self))")
        }
        if let hash = entry.contentHash { lines.append("Hash:     \(hash) (\(entry.compression.jsonName))") }
        if entry.isExternal { lines.append("Content:  on an external server") }
        for attribute in try await snapshot.xattrs(of: entry).attributes {
            lines.append(
                "Xattr:    \(String(decoding: attribute.name, as: UTF8.self)) (\(attribute.value.count) bytes)")
        }
        for chunk in try await snapshot.chunks(of: entry) {
            lines.append("Chunk:    \(chunk.hash) at \(chunk.offset), \(chunk.size) bytes")
        }
        if let nested = try await snapshot.nestedCatalog(at: entry) { lines.append("Catalog:  \(nested.hash)") }
        if entry.kind == .file, let file = try? await snapshot.file(entry) {
            lines.append("Cached:   \(file.availability.rawValue)")
        }
        return lines.joined(separator: "\n")
    }

    private static func permissions(_ entry: Entry) -> String {
        let mode = entry.mode
        var text: [Character] = [entry.kind.letter]
        for shift in [6, 3, 0] as [UInt32] {
            let bits = mode >> shift & 7
            let special = mode >> (9 + shift / 3) & 1 == 1
            text.append(bits & 4 != 0 ? "r" : "-")
            text.append(bits & 2 != 0 ? "w" : "-")
            let letter: Character = shift == 0 ? "t" : "s"
            let executes = bits & 1 != 0
            text.append(special ? (executes ? letter : Character(letter.uppercased())) : executes ? "x" : "-")
        }
        return String(text)
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }
}
