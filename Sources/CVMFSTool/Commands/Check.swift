import ArgumentParser
import CVMFS
import Publishing

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a repository in its storage.",
        discussion: """
            The structure of all catalogs (of the newest revision, of all tags and of all that the reflog has), that \
            all they need is there, and every object's bytes against its name. Nothing is changed. Exit code 1 when \
            there are defects. Objects that nothing needs are counted, and no defect: cvmfs gc takes them. (cvmfs \
            verify checks as a reader does, through a server.)
            """)

    @OptionGroup var repository: StorageOptionGroup

    @Flag(help: "Unpack all contents too, and compare their sizes with what the catalogs say.")
    var content = false

    @Option(
        help: ArgumentHelp(
            "A master public key (PEM), or a folder of them, repeatable: whether readers would believe the manifest.",
            valueName: "FILE|DIR"))
    var key: [String] = []

    func run() async throws {
        var check = RepositoryCheck(of: repository.name, storage: repository.path)
        check.unpacksContents = content
        if !key.isEmpty { check.masterKeys = try MasterKeyFiles.keys(in: key.map(RawArgument.filePath)) }
        let report = try await check.run { report in
            Progress.show("\(report.catalogs) catalogs, \(report.entries) entries, \(report.objects) objects")
        }
        Progress.clear()
        var output = StandardOutput()
        if repository.json {
            try output.line(Self.json(report))
        } else {
            for defect in report.defects {
                let fields = [
                    defect.kind.rawValue, defect.path?.description ?? "-", defect.object?.description ?? "-",
                    defect.detail,
                ]
                try output.line(fields.map { TerminalText.escaped($0) }.joined(separator: "\t"))
            }
            let more = report.defectCount - report.defects.count
            if more > 0 { try output.line("and \(more) defects more") }
            try output.line(
                "\(report.isSound ? "sound" : "\(report.defectCount) defects"): \(report.catalogs) catalogs, \(report.entries) entries, \(report.objects) objects, \(ByteText.of(report.bytes)); \(report.orphans) objects that nothing needs, \(ByteText.of(report.orphanBytes))"
            )
        }
        try output.flush()
        if !report.isSound { throw ExitCode(1) }
    }

    private static func json(_ report: CheckReport) -> JSONValue {
        .object([
            ("ok", .bool(report.isSound)), ("catalogs", .integer(Int64(report.catalogs))),
            ("entries", .integer(Int64(report.entries))), ("objects", .integer(Int64(report.objects))),
            ("bytes", .integer(report.bytes)), ("contentBytes", .integer(report.contentBytes)),
            ("orphans", .integer(Int64(report.orphans))), ("orphanBytes", .integer(report.orphanBytes)),
            ("defectCount", .integer(Int64(report.defectCount))),
            (
                "defects",
                .array(
                    report.defects.map { defect in
                        .object([
                            ("kind", .string(defect.kind.rawValue)),
                            ("path", defect.path.map { .string($0.description) } ?? .null),
                            ("object", defect.object.map { .string($0.description) } ?? .null),
                            ("detail", .string(defect.detail)),
                        ])
                    })
            ),
        ])
    }
}
