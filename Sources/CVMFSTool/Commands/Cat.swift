import ArgumentParser
import CVMFS

struct Cat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints files.", discussion: "Symlinks are followed, inside the repository. Fetches only these files."
    )

    @OptionGroup var repository: RepositoryOptionGroup

    @Argument(help: "Files in the repository.")
    var paths: [String]

    func run() async throws {
        try await repository.withSnapshot { session in
            let image = try await session.snapshot.image()
            var output = StandardOutput()
            for path in paths {
                let file = try await session.snapshot.file(image.entry(at: RawArgument.imagePath(path)))
                for try await piece in file.contents() { try output.write(piece) }
            }
            try output.flush()
        }
    }
}
