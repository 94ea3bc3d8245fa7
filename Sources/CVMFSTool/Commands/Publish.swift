import ArgumentParser
import CVMFS
import Publishing
import Signing
import SystemPackage

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

struct Publish: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publishes a directory, an archive or a container image as the next revision.",
        discussion: """
            What --from names is told by what is in it: a directory; a tar archive (plain, or packed by gzip, bzip2, \
            xz or zstd); an OCI image layout or what docker save writes, as a folder or an archive; an AppC image. A - \
            is a tar archive on standard input. Nothing is unpacked to a disk.

            The path given with --at becomes what the source is; what was there and is not in the source goes. Files \
            that have not changed since they were published last are not read, and content that is stored already is \
            not packed again. When nothing has changed nothing is published.
            """)

    @OptionGroup var repository: PublisherOptionGroup

    @Option(help: ArgumentHelp("What to publish.", valueName: "DIR|TAR|IMAGE"))
    var from: String

    @Option(help: ArgumentHelp("Which of several images, by its name in the layout or archive.", valueName: "NAME"))
    var image: String?

    @Option(
        help: ArgumentHelp(
            "Which of several platforms of an image. Default: this machine's, or the only one.",
            valueName: "OS/ARCH[/VARIANT]"))
    var platform: String?

    @Option(help: ArgumentHelp("The path in the repository that becomes the source.", valueName: "PATH"))
    var at: String = "/"

    @Option(
        help: ArgumentHelp(
            "A tag for the new revision. With one a revision is published even when nothing has changed.",
            valueName: "NAME"))
    var tag: String?

    @Flag(help: "Publishes a new revision also when nothing has changed.")
    var force = false

    @Flag(name: .shortAndLong, help: "Does not ask, even when most of what is there would go.")
    var yes = false

    @Option(
        help: ArgumentHelp(
            "Catalogs with more entries are split: \"reference\" (100 000), \"images\" (4000) or \"never\". Default: images with --at, else reference.",
            valueName: "WHEN"))
    var split: Split?

    @Flag(
        inversion: .prefixedNo,
        help: "Whether what goes to a path other than / gets a nested catalog of its own.")
    var nested = true

    @Flag(help: "Machine-readable output: one JSON value.")
    var json = false

    enum Split: String, ExpressibleByArgument, CaseIterable {
        case reference, images, never
    }

    func validate() throws {
        if let platform, ImagePlatform(platform) == nil {
            throw ValidationError("\"\(platform)\" is no platform: write it as linux/arm64 or linux/arm/v7.")
        }
        guard from != "-" || (image == nil && platform == nil) else {
            throw ValidationError("--image and --platform do not go with a tar archive on standard input.")
        }
        do { if let tag { try TagList.checkName(tag) } } catch { throw ValidationError("\(error)") }
    }

    func run() async throws {
        var options = TransactionOptions()
        options.nestsSources = nested
        let top = RepositoryPath(bytes: RawArgument.bytes(at))
        options.balance =
            switch split ?? (top.isRoot ? .reference : .images) {
            case .reference: .reference
            case .images: .images
            case .never: nil
            }
        options.progress = { report in
            let entries = report.added + report.changed + report.unchanged
            Progress.show("\(entries) entries, \(ByteText.of(report.fileBytes))")
        }
        let transaction = try await repository.begin(options)
        do {
            if let tag { try await transaction.checkTag(tag) }
            let report = try await sync(transaction, top)
            Progress.clear()
            for warning in report.warnings { Progress.say(TerminalText.escaped("warning: \(warning)")) }
            let unlisted = report.warningCount - report.warnings.count
            if unlisted > 0 { Progress.say("and \(unlisted) warnings more") }
            try confirm(report, top)
        } catch {
            Progress.clear()
            await transaction.abort()
            throw error
        }
        let manifest = try await transaction.commit(tag: tag, force: force)
        try show(await transaction.summary, manifest, transaction.base)
    }

    private func sync(_ transaction: Transaction, _ top: RepositoryPath) async throws -> PublishingReport {
        if from == "-" {
            return try await transaction.sync(fromTar: .standardInput, label: "standard input", at: top).report
        }
        return try await transaction.sync(
            fromAny: RawArgument.filePath(from), at: top, image: image, platform: platform
        ).report
    }

    /// Asks whether most of what is there is really to go.
    private func confirm(_ report: PublishingReport, _ top: RepositoryPath) throws {
        guard report.removesMost, !yes else { return }
        let question =
            "\(report.removed) entries of \(top) would go, \(report.unchanged + report.changed) stay, \(report.added) come."
        guard isatty(0) == 1, Progress.isShown else {
            throw PublishingError(
                .invalidArgument, "\(question) If that is meant, say --yes; another path is chosen with --at")
        }
        Progress.say("\(question) Go on? [y/N]")
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
            throw PublishingError(.invalidArgument, "nothing was published")
        }
    }

    private func show(_ report: PublishingReport, _ manifest: Manifest?, _ base: Manifest) throws {
        var output = StandardOutput()
        let current = manifest ?? base
        if json {
            try output.line(
                .object([
                    ("published", .bool(manifest != nil)),
                    ("revision", .unsigned(current.revision)),
                    ("rootHash", .string(current.rootCatalog.description)),
                    ("added", .integer(report.added)),
                    ("changed", .integer(report.changed)),
                    ("removed", .integer(report.removed)),
                    ("unchanged", .integer(report.unchanged)),
                    ("fileBytes", .integer(report.fileBytes)),
                    (
                        "warnings",
                        .array(
                            report.warnings.map {
                                .object([("path", .string($0.path.description)), ("message", .string($0.message))])
                            })
                    ),
                    ("warningCount", .integer(Int64(report.warningCount))),
                ]))
        } else if manifest == nil {
            try output.line("nothing has changed: \(report.unchanged) entries, revision \(current.revision)")
        } else {
            try output.line(
                "revision \(current.revision): \(report.added) entries added, \(report.changed) changed, \(report.removed) removed, \(report.unchanged) unchanged; \(ByteText.of(report.fileBytes)) of files; root catalog \(current.rootCatalog)"
            )
        }
        try output.flush()
    }
}
