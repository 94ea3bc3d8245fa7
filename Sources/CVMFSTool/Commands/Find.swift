import ArgumentParser
import CASCore
import CVMFS

struct Find: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints everything from a path on.",
        discussion: "Depth first, names sorted by their bytes. With --json one object a line.")

    @OptionGroup var repository: RepositoryOptionGroup

    @Argument(help: "Where to begin.")
    var path = "/"

    @Flag(name: [.customLong("print0"), .customShort("0")], help: "End each path with a NUL instead of a newline.")
    var endsWithNUL = false

    func run() async throws {
        try await repository.withSnapshot { session in
            let start = try await session.snapshot.image().entry(at: RawArgument.imagePath(path), followsSymlink: false)
            var output = StandardOutput()
            let json = EntryJSON(snapshot: session.snapshot)
            for try await entry in session.snapshot.walk(start.path) {
                if repository.json {
                    try output.line(try await json.value(of: entry))
                } else {
                    let path = entry.path.isRoot ? [UInt8(ascii: "/")] : entry.path.bytes
                    try output.write(endsWithNUL ? path : TerminalText.name(path))
                    try output.write([endsWithNUL ? 0 : UInt8(ascii: "\n")])
                }
            }
            try output.flush()
        }
    }
}
