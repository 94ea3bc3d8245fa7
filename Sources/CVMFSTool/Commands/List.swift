import ArgumentParser
import CASCore
import CVMFS

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "Lists a directory.",
        discussion: "Names are sorted by their bytes. Hidden entries are not listed; stat shows them.")

    @OptionGroup var repository: RepositoryOptionGroup

    @Argument(help: "A directory, or any other entry, which is then listed alone.")
    var path = "/"

    @Flag(name: .short, help: "Print modes, owners, sizes and times.")
    var long = false

    func run() async throws {
        try await repository.withSnapshot { session in
            let snapshot = session.snapshot
            let start = try await snapshot.image().entry(at: RawArgument.imagePath(path))
            var output = StandardOutput()
            var values: [JSONValue] = []
            let text = EntryText(snapshot: snapshot)
            func show(_ entry: Entry, _ name: [UInt8]) async throws {
                if repository.json {
                    values.append(try await EntryJSON(snapshot: snapshot).value(of: entry))
                } else {
                    try output.line(
                        bytes: long ? text.longLine(entry, name: TerminalText.name(name)) : TerminalText.name(name))
                }
            }
            if start.kind == .directory {
                for try await entry in snapshot.list(start.path) { try await show(entry, entry.name.bytes) }
            } else {
                try await show(start, start.path.bytes)
            }
            if repository.json { try output.line(.array(values)) }
            try output.flush()
        }
    }
}
