import CVMFS
import Provisioner

let server = CommandLine.arguments[1]
let keys = FilePath(CommandLine.arguments[2])
let cache = try DiskStore(at: FilePath(CommandLine.arguments[3]), limit: .gibibytes(4))

let repository = try await Repository.open(
    "images.example.org", from: [server], trusting: .masterKeys(in: keys), cache: cache)
let image = try await repository.snapshot().image(at: "/shell")

let configuration = try await ImageConfiguration.published(with: image)
let user = try await ImageUser.find(configuration.user, in: image)
let program = try ContainerProgram(configuration, words: ["sh", "-c", "cat /etc/name; exit 3"], user: user)

let container = try await image.start(program, from: repository, store: cache)
let summary = try await container.ended()
print("ended with \(summary.status.exitCode)")
print("never read, never fetched: \(try image.cached("/never/read") == nil)")

let report = try await image.complete(in: cache)
print("complete: \(report.image.isComplete), and now cached: \(try image.cached("/never/read") != nil)")
