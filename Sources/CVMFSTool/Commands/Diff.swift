import ArgumentParser
import CASCore
import Catalog
import Publishing
import Synchronization

struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists what differs between two revisions of a storage.",
        discussion: """
            A and B are tags, numbers of revisions, or root hashes; trunk is the newest revision, trunk-previous the one \
            before. A line for each path: + added, - removed, and M modified with what has changed. Only catalogs that \
            are not the same are read.
            """)

    @OptionGroup var repository: StorageOptionGroup

    @Argument(help: ArgumentHelp("The revision to begin with.", valueName: "A"))
    var old: String

    @Argument(help: ArgumentHelp("The revision to compare it with.", valueName: "B"))
    var new: String

    func run() async throws {
        let output = SharedOutput()
        let isJSON = repository.json
        try await RepositoryDiff(of: repository.name, storage: repository.path).run(from: old, to: new) { difference in
            if isJSON {
                try output.line(difference.json)
            } else {
                try output.line(difference.line)
            }
        }
        try output.flush()
    }

    /// Standard output for whichever thread the differences come on, one after the other.
    private final class SharedOutput: Sendable {
        private let output = Mutex(StandardOutput())

        func line(_ value: JSONValue) throws { try output.withLock { try $0.line(value) } }
        func line(_ text: String) throws { try output.withLock { try $0.line(text) } }
        func flush() throws { try output.withLock { try $0.flush() } }
    }
}

extension PathDifference {
    var line: String {
        let path = TerminalText.escaped(path.description)
        return switch kind {
        case .added: "+ \(path)"
        case .removed: "- \(path)"
        case .modified: "M \(path)\t\(changes.map(\.rawValue).joined(separator: ","))"
        }
    }

    var json: JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("change", .string(kind.rawValue)), ("path", .string(path.description)),
        ]
        if String(validating: path.bytes, as: UTF8.self) == nil {
            members.append(("pathBase64", .string(EntryJSON.base64(path.bytes))))
        }
        if kind == .modified { members.append(("changes", .array(changes.map { .string($0.rawValue) }))) }
        if let old { members.append(("old", Self.json(old))) }
        if let new { members.append(("new", Self.json(new))) }
        return .object(members)
    }

    private static func json(_ entry: CatalogEntry) -> JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("type", .string(entry.kind.jsonName)), ("mode", .string(EntryJSON.octal(entry.mode))),
            ("size", .integer(entry.size)), ("uid", .integer(Int64(entry.uid))), ("gid", .integer(Int64(entry.gid))),
            ("mtime", .integer(entry.mtime)), ("mtimeNanoseconds", .integer(Int64(entry.mtimeNanoseconds ?? 0))),
        ]
        if let hash = entry.contentHash { members.append(("hash", .string(hash.description))) }
        if entry.kind == .symlink {
            members.append(("target", .string(String(decoding: entry.target, as: UTF8.self))))
        }
        return .object(members)
    }
}
