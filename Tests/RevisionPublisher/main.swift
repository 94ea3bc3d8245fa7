// Publishes revisions of a test's repository, or collects, and kills itself where it is told to.
//
// RevisionPublisher init STORAGE KEYS [STAGE N]
//     Makes the repository.
// RevisionPublisher publish STORAGE KEYS SEED COUNT [STAGE N]
//     Publishes COUNT revisions that follow from SEED, and prints the revision after each.
// RevisionPublisher collect STORAGE KEPT [STAGE N]
//     Collects, keeping KEPT revisions before the newest; orphans too.
//
// With STAGE and N it is killed when it comes to that stage for the Nth time.
import FixtureTrees
import Glibc
import Publishing
import RevisionTrees
import Signing
import Synchronization
import SystemPackage

let arguments = CommandLine.arguments

/// Prints a line at once.
func say(_ line: String) {
    let bytes = Array("\(line)\n".utf8)
    _ = write(1, bytes, bytes.count)
}

/// Kills the process at the Nth time.
final class Executioner: Sendable {
    private let stage: String
    private let rest: Atomic<Int>

    /// - Parameter first: of the arguments, the stage.
    init(_ first: Int) {
        stage = arguments.count > first ? arguments[first] : ""
        rest = Atomic(arguments.count > first + 1 ? Int(arguments[first + 1]) ?? 1 : 1)
    }

    func reached(_ stage: String) {
        if stage == self.stage, rest.subtract(1, ordering: .relaxed).newValue == 0 { kill(getpid(), SIGKILL) }
    }
}

func initialize() async throws {
    let executioner = Executioner(4)
    var new = RepositoryInitialization(
        of: RevisionTree.repository, storage: FilePath(arguments[2]), keys: FilePath(arguments[3]))
    new.keyBits = 1024
    new.isGarbageCollectable = true
    new.reached = { executioner.reached($0.rawValue) }
    try await new.run()
}

func publish() throws {
    let executioner = Executioner(6)
    let storage = FilePath(arguments[2])
    let keys = try KeyFolder(at: FilePath(arguments[3]), repository: RevisionTree.repository, storage: storage)
    let writer = try RepositoryWriter.open(
        RevisionTree.repository, storage: storage, keys: keys, reached: { executioner.reached($0.rawValue) })
    defer { writer.close() }
    var random = SeededGenerator(seed: UInt64(arguments[4]) ?? 0)
    var tree = RevisionTree.random(using: &random)
    for _ in 0..<(Int(arguments[5]) ?? 1) {
        tree.change(using: &random)
        let manifest = try tree.publish(with: writer, at: WallClock.now())
        say("\(manifest.revision)")
    }
}

func collect() async throws {
    let executioner = Executioner(4)
    var collection = GarbageCollection(of: RevisionTree.repository, storage: FilePath(arguments[2]))
    collection.keptRevisions = Int(arguments[3])
    collection.orphanSeconds = 0
    collection.reached = { executioner.reached($0.rawValue) }
    let report = try await collection.run()
    say("\(report.deletedObjects)")
}

do {
    switch arguments.dropFirst().first {
    case "init" where arguments.count >= 4: try await initialize()
    case "publish" where arguments.count >= 6: try publish()
    case "collect" where arguments.count >= 4: try await collect()
    default:
        say("usage: see main.swift")
        exit(64)
    }
} catch {
    say("failed: \(error)")
    exit(1)
}
