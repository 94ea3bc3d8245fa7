import ArgumentParser
import CASCore
import CVMFS
import Publishing
import Signing
import SystemPackage

struct Init: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a repository without content.",
        discussion: """
            The keys are NAME.masterkey, NAME.pub, NAME.key and NAME.crt. Those that are there are used and never \
            overwritten; those that are missing are made. Readers need NAME.pub. The folder with the keys must not be \
            in the storage.
            """)

    @OptionGroup var repository: StorageOptionGroup

    @Option(help: ArgumentHelp("Where the keys are, or will be.", valueName: "DIR"))
    var keys: String

    @Option(help: "What names the objects, for ever: sha1, rmd160 or shake128.")
    var hash: HashChoice = .sha1

    @Option(
        help: """
            What packs the objects: zlib (the reference's bytes) or libdeflate (twice as fast or more; every client reads \
            it).
            """)
    var deflate: DeflateChoice = .zlib

    @Option(help: ArgumentHelp("For how long readers need not look for a newer revision.", valueName: "SECONDS"))
    var ttl: UInt32 = Manifest.defaultTTL

    @Flag(help: "Allows collections (cvmfs gc) to delete what no revision needs any more.")
    var gc = false

    @Flag(help: "Lets the repository's files be the first to leave a cache.")
    var volatile = false

    @Flag(inversion: .prefixedNo, help: "Whether replicas may be made.")
    var replicas = true

    @Option(help: ArgumentHelp("A file with a JSON object that says who runs the repository.", valueName: "FILE"))
    var metainfo: String?

    @Option(help: ArgumentHelp("How long the whitelist is good.", valueName: "DAYS"))
    var days = 30

    enum HashChoice: String, ExpressibleByArgument, CaseIterable {
        case sha1, rmd160, shake128
    }

    enum DeflateChoice: String, ExpressibleByArgument, CaseIterable {
        case zlib, libdeflate
    }

    func validate() throws {
        do { try WhitelistFile.check(days: days) } catch { throw ValidationError("\(error)") }
    }

    func run() async throws {
        var new = RepositoryInitialization(
            of: repository.name, storage: repository.path, keys: RawArgument.filePath(keys))
        new.hash = HashAlgorithm.allCases.first { $0.name == hash.rawValue } ?? .sha1
        new.deflater = DeflaterKind(rawValue: deflate.rawValue) ?? .zlib
        new.ttl = ttl
        new.isGarbageCollectable = gc
        new.isVolatile = volatile
        new.isReplicable = replicas
        new.whitelistDays = days
        if let metainfo {
            new.metainfo = try Self.text(of: RawArgument.filePath(metainfo))
        }
        for warning in try await new.run() { Progress.say("cvmfs: \(warning)") }
        let publicKey = RawArgument.filePath(keys).appending("\(repository.name).pub")
        var output = StandardOutput()
        if repository.json {
            try output.line(
                .object([
                    ("name", .string(repository.name)), ("revision", .integer(0)),
                    ("hashAlgorithm", .string(new.hash.name)), ("deflater", .string(new.deflater.rawValue)),
                    ("masterKey", .string(publicKey.string)),
                ]))
        } else {
            try output.line("\(repository.name): revision 0; readers need \(publicKey)")
        }
        try output.flush()
    }

    /// A file's beginning: what is longer than meta-information may be is refused by the library.
    private static func text(of path: FilePath) throws -> String {
        do {
            let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
            return try file.closeAfter {
                String(
                    decoding: try [UInt8](unsafeUninitializedCapacity: 1 << 17) {
                        $1 = try file.read(into: UnsafeMutableRawBufferPointer($0))
                    }, as: UTF8.self)
            }
        } catch {
            throw PublishingError(.invalidArgument, "the meta-information \(path) cannot be read", cause: error)
        }
    }
}
