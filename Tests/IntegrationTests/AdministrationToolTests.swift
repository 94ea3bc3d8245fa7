import Foundation
import LocalServers
import Testing

@Suite("The program cvmfs, for whoever runs a repository")
struct AdministrationToolTests {
    private static let name = "demo.example.org"

    /// Runs a command on the repository in a folder.
    private func run(_ folder: borrowing TemporaryFolder, _ command: String, _ rest: String...) throws -> Tool.Run {
        try Tool.run([command, Self.name, "--storage", "\(folder.path)/\(Self.name)"] + rest)
    }

    @Test("init, tag, resign, diff and gc do what they say, and readers believe the result")
    func life() throws {
        let folder = try TemporaryFolder("administration")
        let keys = "\(folder.path)/keys"
        let made = try run(folder, "init", "--keys", keys, "--gc", "--hash", "shake128", "--json")
        #expect(made.status == 0 && made.errors == "")
        let answer = try #require(try made.json() as? [String: Any])
        #expect(answer["hashAlgorithm"] as? String == "shake128")
        #expect(answer["revision"] as? Int == 0)

        #expect(try run(folder, "tag", "add", "v0", "--keys", keys, "--description", "nothing yet").status == 0)
        let tags = try #require(try run(folder, "tag", "--json").json() as? [[String: Any]])
        #expect(tags.map { $0["name"] as? String } == ["v0", "trunk"])
        #expect(tags.first?["description"] as? String == "nothing yet")
        let again = try run(folder, "tag", "add", "v0", "--keys", keys)
        #expect(again.status == 1)
        #expect(again.errors.contains("there is a tag"))
        #expect(try run(folder, "tag", "remove", "v0", "--keys", keys).status == 0)
        #expect(try run(folder, "tag", "rollback", "--keys", keys).status == 1)

        let resigned = try #require(
            try run(folder, "resign", "--keys", keys, "--certificate", "--json").json() as? [String: Any])
        #expect((resigned["fingerprints"] as? [String])?.count == 2)
        #expect(try run(folder, "diff", "trunk", "0").output.isEmpty)
        let collected = try #require(
            try run(folder, "gc", "--keep", "0", "--orphans", "--json").json() as? [String: Any])
        #expect(collected["keptRevisions"] as? Int == 1)
        #expect(collected["condemnedRevisions"] as? Int == 0)

        let verified = try Tool.run([
            "verify", "file://\(folder.path)/\(Self.name)", "--key", "\(keys)/\(Self.name).pub", "--cache",
            "\(folder.path)/cache",
        ])
        #expect(verified.status == 0)
    }

    @Test("what makes no sense is wrong usage, and what is not there a failure")
    func refusals() throws {
        let folder = try TemporaryFolder("administration")
        #expect(try run(folder, "tag", "add", "v1").status == 64)
        #expect(try run(folder, "tag", "rollback", "a", "b", "--keys", "k").status == 64)
        #expect(try run(folder, "tag", "add", "x", "--keys", "k", "--root-hash", "y").status == 64)
        #expect(try run(folder, "resign", "--keys", "k", "--certificate", "--master-key").status == 64)
        #expect(try run(folder, "gc", "--keep-newer", "3 days").status == 64)
        #expect(try run(folder, "init", "--keys", "k", "--hash", "md5").status == 64)
        #expect(try run(folder, "init", "--keys", "k", "--days", "0").status == 64)
        #expect(try run(folder, "resign", "--keys", "k", "--days", "36501").status == 64)
        #expect(try run(folder, "publish", "--keys", "k", "--from", "/", "--tag", "a b").status == 64)
        #expect(try run(folder, "publish", "--keys", "k", "--from", "/", "--platform", "x").status == 64)
        #expect(try run(folder, "publish", "--keys", "k", "--from", "-", "--image", "x").status == 64)
        let noMetainfo = try run(folder, "init", "--keys", "\(folder.path)/keys", "--metainfo", "/absent")
        #expect(noMetainfo.status == 1 && noMetainfo.errors.contains("/absent"))
        let absent = try run(folder, "gc")
        #expect(absent.status == 1)
        #expect(absent.errors.split(separator: "\n").count == 1)
        let inside = try run(folder, "init", "--keys", "\(folder.path)/\(Self.name)/keys")
        #expect(inside.status == 1)
        #expect(inside.errors.contains("private keys must not be"))
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/\(Self.name)/keys"))
    }

    @Test("publish fails before the work when its tag or its choice of an image cannot be, and says where keys are")
    func earlyRefusals() throws {
        let folder = try TemporaryFolder("administration")
        let keys = "\(folder.path)/keys"
        try folder.write([1], to: "source/file")
        #expect(try run(folder, "init", "--keys", keys).status == 0)
        let publish = ["--keys", keys, "--from", "\(folder.path)/source"]
        func published(_ more: String...) throws -> Tool.Run {
            try Tool.run(["publish", Self.name, "--storage", "\(folder.path)/\(Self.name)"] + publish + more)
        }
        #expect(try published("--tag", "v1").status == 0)
        let again = try published("--tag", "v1")
        #expect(again.status == 1 && again.errors.contains("there is a tag"))
        let noImage = try published("--image", "x", "--at", "/image")
        #expect(noImage.status == 1 && noImage.errors.contains("there is no image or platform to choose"))
        let noKeys = try run(folder, "publish", "--keys", "\(folder.path)/source", "--from", "\(folder.path)/source")
        #expect(noKeys.status == 1 && noKeys.errors.contains("the folder of keys is the one"))
        let undone = try run(folder, "tag", "rollback", "--keys", keys)
        #expect(undone.status == 0 && !undone.text.contains("trunk"))
    }
}
