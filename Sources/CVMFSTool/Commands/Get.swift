import ArgumentParser
import CVMFS
import SystemPackage

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copies a subtree out.",
        discussion: """
            The content of a directory goes into TARGET, which is made when it is absent; anything else goes there \
            under its own name. Modes, times, symlinks, hardlinks, fifos, sockets and extended attributes are carried \
            over, owners and devices when run as root. Run again after an interruption, it goes on where it was.
            """)

    @OptionGroup var repository: RepositoryOptionGroup

    @Argument(help: "What to copy.")
    var path: String

    @Argument(help: "The folder to copy into. Default: the path's last component, here.")
    var target: String?

    func run() async throws {
        try await repository.withSnapshot { session in
            let snapshot = session.snapshot
            let start = try await snapshot.image().entry(at: RawArgument.imagePath(path), followsSymlink: false)
            let folder: String
            if let target {
                folder = target
            } else if start.kind == .directory {
                folder = start.path.isRoot ? snapshot.repository : start.name.description
            } else {
                folder = "."
            }
            let total = start.path.isRoot ? try (snapshot.statistics.own + snapshot.statistics.subtree).fileBytes : nil
            let report = try await snapshot.copy(start.path, to: RawArgument.filePath(folder)) { report in
                let fraction = total.map { $0 > 0 ? Double(report.bytes) / Double($0) : 1 }
                Progress.show("\(report.entries) entries, \(ByteText.of(report.bytes))", fraction: fraction)
            }
            Progress.clear()
            var output = StandardOutput()
            if repository.json {
                try output.line(Self.json(report))
            } else {
                for omission in report.omissions {
                    Progress.say(TerminalText.escaped("\(omission.path): \(omission.reason)"))
                }
                try output.line(
                    "\(report.entries) entries in \(folder) (\(report.alreadyPresent) were there), \(ByteText.of(report.bytes)) written; \(session.summary)"
                )
            }
            try output.flush()
        }
    }

    private static func json(_ report: CopyReport) -> JSONValue {
        .object([
            ("entries", .integer(Int64(report.entries))),
            ("alreadyPresent", .integer(Int64(report.alreadyPresent))),
            ("bytes", .integer(report.bytes)),
            (
                "omissions",
                .array(
                    report.omissions.map {
                        .object([("path", .string($0.path.description)), ("reason", .string($0.reason))])
                    })
            ),
        ])
    }
}
