import ArgumentParser
import CASCore
import CVMFS

struct Stat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Describes an entry.", discussion: "A symlink at the path's end is not followed.")

    @OptionGroup var repository: RepositoryOptionGroup

    @Argument(help: "A path in the repository.")
    var path = "/"

    func run() async throws {
        try await repository.withSnapshot { session in
            let entry = try await session.snapshot.image().entry(at: RawArgument.imagePath(path), followsSymlink: false)
            var output = StandardOutput()
            if repository.json {
                try output.line(try await EntryJSON(snapshot: session.snapshot).value(of: entry))
            } else {
                try output.line(try await EntryText(snapshot: session.snapshot).description(entry))
            }
            try output.flush()
        }
    }
}
