import ArgumentParser
import CASCore
import CVMFS
import FoundationEssentials
import SystemPackage

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks a whole repository, or the local cache.",
        discussion: """
            The newest revision and all tags: every catalog, entry and object, on the servers, past the cache. Exit \
            code 1 when there are defects.
            """)

    @OptionGroup var repository: RepositoryOptionGroup

    @Flag(help: "Check what the cache holds instead, without the network, and drop what is damaged.")
    var cacheOnly = false

    func validate() throws {
        guard repository.tag == nil, repository.date == nil, repository.rootHash == nil else {
            throw ValidationError(
                "The newest revision and all tags are checked: leave --tag, --date and --root-hash out.")
        }
    }

    func run() async throws {
        cacheOnly ? try await verifyCache() : try await verifyRepository()
    }

    private func verifyRepository() async throws {
        let opened = try await repository.open()
        let folder = FileManager.default.temporaryDirectory.appending(path: "cvmfs-verify-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let scratch = try DiskStore(at: FilePath(folder.path(percentEncoded: false)), limit: .unlimited)
        let report = try await opened.verify(scratch: scratch) { report in
            Progress.show(
                "\(report.catalogs) catalogs, \(report.entries) entries, \(report.objects) objects, \(ByteText.of(report.bytes)), \(report.defects.count) defects"
            )
        }
        Progress.clear()
        var output = StandardOutput()
        if repository.json {
            try output.line(Self.json(report))
        } else {
            for defect in report.defects {
                try output.line(
                    "\(defect.kind.rawValue)\t\(TerminalText.escaped(defect.path.description))\t\(defect.object?.description ?? "-")\t\(TerminalText.escaped(defect.detail))"
                )
            }
            try output.line(
                "\(report.isSound ? "sound" : "\(report.defects.count) defects"): \(report.catalogs) catalogs, \(report.entries) entries, \(report.objects) objects, \(ByteText.of(report.bytes))"
            )
        }
        try output.flush()
        if repository.summary { Progress.say(Session.summary(of: opened)) }
        if !report.isSound { throw ExitCode(1) }
    }

    private func verifyCache() async throws {
        let report = try await repository.store().verify()
        var output = StandardOutput()
        if repository.json {
            try output.line(
                .object([
                    ("ok", .bool(report.damagedObjects.isEmpty)), ("objects", .integer(report.objects)),
                    ("bytes", .integer(report.bytes)),
                    ("dropped", .array(report.damagedObjects.map { .string("\($0.id)") })),
                ]))
        } else {
            for object in report.damagedObjects { try output.line("dropped\t\(object.id)\t\(object.defect)") }
            try output.line(
                "\(report.damagedObjects.isEmpty ? "sound" : "\(report.damagedObjects.count) damaged objects dropped"): \(report.objects) objects, \(ByteText.of(report.bytes))"
            )
        }
        try output.flush()
        if !report.damagedObjects.isEmpty { throw ExitCode(1) }
    }

    private static func json(_ report: VerificationReport) -> JSONValue {
        .object([
            ("ok", .bool(report.isSound)),
            ("catalogs", .integer(Int64(report.catalogs))),
            ("entries", .integer(Int64(report.entries))),
            ("objects", .integer(Int64(report.objects))),
            ("bytes", .integer(report.bytes)),
            (
                "defects",
                .array(
                    report.defects.map { defect in
                        .object([
                            ("kind", .string(defect.kind.rawValue)), ("path", .string(defect.path.description)),
                            ("object", defect.object.map { .string($0.description) } ?? .null),
                            ("detail", .string(defect.detail)),
                        ])
                    })
            ),
        ])
    }
}
