import ArgumentParser
import CVMFS
import Signing

struct Tags: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the tags, the newest revision first.")

    @OptionGroup var repository: RepositoryOptionGroup

    func run() async throws {
        guard repository.rootHash == nil else {
            throw ValidationError("A root hash leads to no history: leave --root-hash out.")
        }
        let opened = try await repository.open()
        repository.warnWhenOffline(opened)
        let tags = try await opened.tags()
        var output = StandardOutput()
        if repository.json {
            let values = tags.map { tag in
                JSONValue.object([
                    ("name", .string(tag.name)),
                    ("revision", .unsigned(tag.revision)),
                    ("rootHash", .string(tag.rootHash.description)),
                    ("timestamp", .integer(tag.timestamp)),
                    ("description", .string(tag.description)),
                ])
            }
            try output.line(.array(values))
        } else {
            for tag in tags {
                try output.line(
                    "\(tag.name)\trevision \(tag.revision)\t\(UnixTime(tag.timestamp))\t\(tag.rootHash)\t\(tag.description)"
                )
            }
        }
        try output.flush()
    }
}
