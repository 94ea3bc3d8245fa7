import ArgumentParser
import CVMFS

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
            try output.line(.array(tags.map(\.json)))
        } else {
            for tag in tags { try output.line(tag.line) }
        }
        try output.flush()
        if repository.summary { Progress.say(Session.summary(of: opened)) }
    }
}
