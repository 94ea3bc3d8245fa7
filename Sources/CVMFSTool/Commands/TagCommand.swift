import ArgumentParser
import CASCore
import Catalog
import Publishing
import Signing

struct TagCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag",
        abstract: "Lists, adds and removes tags of a storage, and rolls back to one.",
        discussion: """
            After NAME comes what is to be done:

              list           lists the tags, the newest revision first
              add TAG        names the newest revision; with --root-hash another
                             one, or moves a tag that is there to it
              remove TAG...  removes all of them, or none
              rollback TAG   publishes the tag's revision again as the newest,
                             and forgets the tags of those between
              rollback       undoes the newest revision, once

            All but list need --keys. trunk is the newest revision, and trunk-previous the one before.
            """)

    @OptionGroup var repository: StorageOptionGroup

    @Option(help: ArgumentHelp("Where the keys are; needed to change anything.", valueName: "DIR"))
    var keys: String?

    @Argument(help: "list, add, remove or rollback.")
    var action: Action = .list

    @Argument(help: "The tags.")
    var tags: [String] = []

    @Option(help: "What the new tag is for; one line.")
    var description: String = ""

    @Option(help: "The root catalog that the new tag names.")
    var rootHash: String?

    enum Action: String, ExpressibleByArgument, CaseIterable {
        case list, add, remove, rollback
    }

    func validate() throws {
        if let rootHash, ContentHash(rootHash) == nil {
            throw ValidationError(
                "\"\(rootHash)\" is no hash: 40 hexadecimal digits, and -rmd160 or -shake128 where it is not SHA-1.")
        }
        let isRight =
            switch action {
            case .list: tags.isEmpty
            case .add: tags.count == 1
            case .remove: !tags.isEmpty
            case .rollback: tags.count <= 1
            }
        guard isRight else {
            let wanted =
                switch action {
                case .list: "no tag"
                case .add: "one tag"
                case .remove: "one tag or more"
                case .rollback: "one tag or none"
                }
            throw ValidationError("\(action.rawValue) takes \(wanted), not \(tags.count).")
        }
        guard action == .list || keys != nil else { throw ValidationError("\(action.rawValue) needs --keys DIR.") }
    }

    func run() async throws {
        let all = RepositoryTags(
            of: repository.name, storage: repository.path, keys: keys.map(RawArgument.filePath))
        var output = StandardOutput()
        switch action {
        case .list: try print(try await all.list(), to: &output)
        case .add:
            let tag = try await all.add(
                tags[0], description: description, root: rootHash.flatMap { ContentHash($0) })
            try print([tag], to: &output)
        case .remove: try print(try await all.remove(tags), to: &output)
        case .rollback:
            let done = try await all.rollBack(to: tags.first)
            // These two always move.
            let removed = done.removed.map(\.name).filter { $0 != TagList.trunk && $0 != TagList.previousTrunk }
            if repository.json {
                try output.line(
                    .object([
                        ("revision", .unsigned(done.manifest.revision)),
                        ("rootHash", .string(done.manifest.rootCatalog.description)),
                        ("removed", .array(removed.map { .string($0) })),
                    ]))
            } else {
                try output.line("\(repository.name): revision \(done.manifest.revision)")
                for name in removed { try output.line("removed\t\(TerminalText.escaped(name))") }
            }
        }
        try output.flush()
    }

    private func print(_ tags: [Tag], to output: inout StandardOutput) throws {
        if repository.json { return try output.line(.array(tags.map(\.json))) }
        for tag in tags { try output.line(tag.line) }
    }
}

extension Tag {
    /// As `--json` prints it.
    var json: JSONValue {
        .object([
            ("name", .string(name)), ("revision", .unsigned(revision)), ("rootHash", .string(rootHash.description)),
            ("timestamp", .integer(timestamp)), ("description", .string(description)),
        ])
    }

    /// As a line for people.
    var line: String {
        let (name, text) = (TerminalText.escaped(name), TerminalText.escaped(description))
        return "\(name)\trevision \(revision)\t\(UnixTime(timestamp))\t\(rootHash)\t\(text)"
    }
}
