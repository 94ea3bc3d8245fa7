import ArgumentParser
import Publishing

struct Collect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Deletes what no revision needs that is to be kept; others may publish meanwhile.",
        discussion: """
            Kept are the newest revision, every tag's, and of those before the newest as many as --keep says, or those \
            that are not older than --keep-newer and the one before them (3d when neither is given). Interrupted, it \
            goes on where it stopped when it is run again.
            """)

    @OptionGroup var repository: StorageOptionGroup

    @Option(help: ArgumentHelp("Keeps so many revisions before the newest.", valueName: "N"))
    var keep: Int?

    @Option(help: ArgumentHelp("Keeps revisions that are not older, as in 3d, 12h or 30m.", valueName: "SPAN"))
    var keepNewer: TimeSpan?

    @Flag(help: "Deletes too what killed publishers have left behind, and nothing leads to.")
    var orphans = false

    @Option(help: ArgumentHelp("How old they must be; also without --orphans. Default: 1d.", valueName: "SPAN"))
    var orphanAge: TimeSpan?

    @Flag(name: [.long, .customShort("n")], help: "Says what would be deleted, and deletes nothing.")
    var dryRun = false

    func validate() throws {
        guard keep ?? 0 >= 0 else { throw ValidationError("--keep takes a number from 0.") }
    }

    func run() async throws {
        var collection = GarbageCollection(of: repository.name, storage: repository.path)
        collection.keptRevisions = keep
        collection.keptSeconds = keepNewer?.seconds
        collection.isDryRun = dryRun
        if orphans || orphanAge != nil {
            collection.orphanSeconds = orphanAge?.seconds ?? GarbageCollection.defaultOrphanSeconds
        }
        let report = try await collection.run(progress: { report in
            Progress.show(
                "\(report.keptCatalogs) catalogs kept, \(report.condemnedCatalogs) to go, \(report.deletedObjects) objects deleted"
            )
        })
        Progress.clear()
        var output = StandardOutput()
        if repository.json {
            try output.line(
                .object([
                    ("dryRun", .bool(dryRun)), ("keptRevisions", .integer(Int64(report.keptRoots))),
                    ("keptCatalogs", .integer(Int64(report.keptCatalogs))),
                    ("condemnedRevisions", .integer(Int64(report.condemnedRoots))),
                    ("condemnedCatalogs", .integer(Int64(report.condemnedCatalogs))),
                    ("deletedObjects", .integer(Int64(report.deletedObjects))),
                    ("deletedBytes", .integer(report.deletedBytes)),
                    ("sparedObjects", .integer(Int64(report.sparedObjects))),
                ]))
        } else {
            let verb = dryRun ? "would go" : "deleted"
            try output.line(
                "\(counted(report.keptRoots, "revision")) kept, \(counted(report.condemnedRoots, "revision")) not; "
                    + "\(counted(report.deletedObjects, "object")), \(ByteText.of(report.deletedBytes)) \(verb)")
        }
        try output.flush()
    }
}
