import ArgumentParser
import CVMFS
import Signing

struct Tags: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lists the tags, the newest revision first.")

    @OptionGroup var repository: RepositoryOptionGroup

    func validate() throws {
        guard repository.tag == nil, repository.date == nil, repository.rootHash == nil else {
            throw ValidationError("All tags are listed: leave --tag, --date and --root-hash out.")
        }
    }

    func run() async throws {
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
                    "\(TerminalText.escaped(tag.name))\trevision \(tag.revision)\t\(UnixTime(tag.timestamp))\t\(tag.rootHash)\t\(TerminalText.escaped(tag.description))"
                )
            }
        }
        try output.flush()
        if repository.summary { Progress.say(Session.summary(of: opened)) }
    }
}
