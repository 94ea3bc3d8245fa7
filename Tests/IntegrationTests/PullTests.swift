import FixtureTrees
import Foundation
import LocalServers
import Testing

@Suite("The program cvmfs copies repositories")
struct PullTests {
    private let fixture = Fixtures.named("tiny")

    @Test("pull makes a replica that verify finds sound, and says when there is nothing new")
    func pull() throws {
        let folder = try TemporaryFolder("pull")
        // The fixture with the marker that lets it be copied.
        let original = "\(folder.path)/\(fixture.name)"
        try FileManager.default.copyItem(atPath: fixture.folder.path, toPath: original)
        let refused = try Tool.run(
            ["pull", "file://\(original)", "--key", fixture.keyFile.path, "--storage", "\(folder.path)/replica"])
        #expect(refused.status == 1)
        #expect(refused.errors.contains("may not be copied"), "\(refused.errors)")
        try folder.write([], to: "\(fixture.name)/.cvmfs_master_replica")
        let arguments = [
            "pull", fixture.name, "--server", "file://\(folder.path)/@fqrn@", "--key", fixture.keyFile.path,
            "--storage", "\(folder.path)/replica/\(fixture.name)",
        ]
        let first = try Tool.run(arguments + ["--json"])
        #expect(first.status == 0, "\(first.errors)")
        let report = try #require(try first.json() as? [String: Any])
        #expect(report["unchanged"] as? Bool == false)
        #expect((report["objects"] as? Int ?? 0) > 10)
        let again = try Tool.run(arguments)
        #expect(again.status == 0 && again.text.contains("is here already"), "\(again.text)\(again.errors)")
        let tool = Tool(["--key", fixture.keyFile.path, "--cache", "\(folder.path)/cache"])
        let verified = try tool.run("verify", "file://\(folder.path)/replica/\(fixture.name)")
        #expect(verified.status == 0 && verified.text.hasPrefix("sound"), "\(verified.text)\(verified.errors)")
        #expect(try Tool.run(["pull", "x.example.org", "--storage", "\(folder.path)/x"]).status == 64)
    }
}
