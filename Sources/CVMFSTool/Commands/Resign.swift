import ArgumentParser
import Publishing
import Signing
import SystemPackage

struct Resign: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Renews the whitelist, and where it is wanted the keys.",
        discussion: """
            A new certificate is put on the whitelist beside the old one, and signs from the next revision on. A new \
            master key takes two steps: --master-key makes it, then all readers get its public part beside the one \
            they have, and when they have it --switch-master-key lets it sign.
            """)

    @OptionGroup var repository: StorageOptionGroup

    @Option(help: ArgumentHelp("Where the keys are.", valueName: "DIR"))
    var keys: String

    @Option(help: ArgumentHelp("How long the whitelist is good.", valueName: "DAYS"))
    var days = 30

    @Flag(help: "Makes a new key and certificate for the revisions to come.")
    var certificate = false

    @Flag(help: "Makes a new master key, which signs nothing yet.")
    var masterKey = false

    @Flag(help: "Lets the new master key sign.")
    var switchMasterKey = false

    @Flag(help: "Takes all other certificates from the whitelist.")
    var only = false

    func validate() throws {
        do { try WhitelistFile.check(days: days) } catch { throw ValidationError("\(error)") }
        guard [certificate, masterKey, switchMasterKey].count(where: { $0 }) <= 1 else {
            throw ValidationError("--certificate, --master-key and --switch-master-key go one at a time.")
        }
    }

    func run() async throws {
        var resigning = RepositoryResigning(
            of: repository.name, storage: repository.path, keys: RawArgument.filePath(keys))
        resigning.days = days
        resigning.dropsOtherCertificates = only
        resigning.renewal =
            certificate ? .certificate : masterKey ? .nextMasterKey : switchMasterKey ? .masterKey : .whitelist
        let report = try await resigning.run()
        for warning in report.warnings { Progress.say("cvmfs: \(warning)") }
        var output = StandardOutput()
        if repository.json {
            try output.line(
                .object(
                    [
                        ("expires", .string(report.expires.description)),
                        ("fingerprints", .array(report.fingerprints.map { .string($0.description) })),
                    ] + (report.newPublicKey.map { [("newMasterKey", .string($0.string))] } ?? [])))
        } else {
            try output.line("\(repository.name): the whitelist is good until \(report.expires)")
            if let key = report.newPublicKey {
                try output.line("give \(key) to all readers, beside the key they have; then --switch-master-key")
            }
        }
        try output.flush()
    }
}
