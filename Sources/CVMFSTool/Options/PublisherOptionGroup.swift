import ArgumentParser
import Publishing
import SystemPackage

/// What every command needs that changes a repository.
struct PublisherOptionGroup: ParsableArguments {
    @Argument(help: "The repository's name (fqrn).")
    var name: String

    @Option(help: ArgumentHelp("The repository's own folder, the one that holds .cvmfspublished.", valueName: "DIR"))
    var storage: String

    @Option(help: ArgumentHelp("The folder with NAME.crt, NAME.key and NAME.pub.", valueName: "DIR"))
    var keys: String

    func begin(_ options: TransactionOptions) async throws -> Transaction {
        try await Transaction.begin(
            name, storage: RawArgument.filePath(storage), keys: RawArgument.filePath(keys), options: options)
    }
}
