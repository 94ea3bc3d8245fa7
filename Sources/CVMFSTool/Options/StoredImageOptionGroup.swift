import ArgumentParser
import CASCore
import CVMFS
import FoundationEssentials
import Publishing
import Signing
import SystemPackage

/// The options of the commands that look at published images.
struct StoredImageOptionGroup: ParsableArguments {
    @OptionGroup var repository: RepositoryOptionGroup

    @Option(
        help: ArgumentHelp(
            "The repository's own folder on this machine, instead of --server. Without --key its manifest is believed.",
            valueName: "DIR"))
    var storage: String?

    func validate() throws {
        guard storage == nil || repository.server.isEmpty && !repository.name.contains("://") else {
            throw ValidationError("--storage and --server exclude each other.")
        }
    }

    /// Opens the repository at the state that the options choose, and runs the command's body on it.
    func withSnapshot(_ body: (Session) async throws -> Void) async throws {
        guard let storage else { return try await repository.withSnapshot(body) }
        var options = repository
        let folder = RawArgument.filePath(storage)
        options.server = [
            "file://\(folder.string.hasPrefix("/") ? "" : FileManager.default.currentDirectoryPath + "/")\(folder)"
        ]
        if options.key.isEmpty, options.rootHash == nil, options.tag == nil, options.date == nil {
            guard let bytes = FileManager.default.contents(atPath: folder.appending(".cvmfspublished").string) else {
                throw PublishingError(.noRepository, "\(folder) holds no repository: it has no .cvmfspublished")
            }
            options.rootHash = try Manifest(unverified: Array(bytes)).rootCatalog.description
        }
        try await options.withSnapshot(body)
    }
}
