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

    @Test("serve gives a repository to clients until it is stopped")
    func serve() async throws {
        let folder = try TemporaryFolder("serve")
        let server = try ChildProgram(
            "cvmfs", "serve", "--storage", fixture.folder.path, "--listen", "127.0.0.1:0")
        let url = try #require(try await server.line())
        #expect(url.hasSuffix("/cvmfs/\(fixture.name)"))
        let tool = Tool(["--key", fixture.keyFile.path, "--cache", "\(folder.path)/cache"])
        let listed = try tool.run("ls", url, "/")
        #expect(listed.status == 0 && listed.lines.count > 3, "\(listed.errors)")
        await server.kill()
        #expect(try Tool.run(["serve", "--storage", folder.path]).status == 1)
        #expect(try Tool.run(["serve", "--storage", folder.path, "--listen", "nonsense"]).status == 64)
        #expect(try Tool.run(["serve"]).status == 64)
    }

    /// The configuration that Docs/Replication.md gives.
    @Test("nginx serves a repository as the documents say, and nothing else")
    func nginx() throws {
        let document = Fixtures.folder.deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Docs/Replication.md")
        let text = try String(contentsOf: document, encoding: .utf8)
        let parts = text.components(separatedBy: "~~~nginx\n")
        try #require(parts.count == 2)
        let directives = try #require(parts[1].components(separatedBy: "\n~~~").first)
        let folder = try TemporaryFolder("nginx-site", isOpen: true)
        let site = "\(folder.path)/cvmfs/\(fixture.name)"
        try FileManager.default.createDirectory(
            atPath: "\(folder.path)/cvmfs", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: fixture.folder.path, toPath: site)
        try folder.write([1], to: "cvmfs/\(fixture.name)/.cvmfs-state/settings")
        try folder.write([1], to: "cvmfs/\(fixture.name)/other")
        let server = try NginxServer(
            serving: [:], directives: directives.replacingOccurrences(of: "root /srv;", with: "root \(folder.path);"))
        let tool = Tool(["--key", fixture.keyFile.path, "--cache", "\(folder.path)/cache"])
        let verified = try tool.run("verify", server.url(of: fixture.name))
        #expect(verified.status == 0 && verified.text.hasPrefix("sound"), "\(verified.text)\(verified.errors)")
        func head(_ path: String) throws -> String {
            let log = "\(folder.path)/\(UUID().uuidString)"
            try runToEnd(
                "/usr/bin/env", ["curl", "-s", "-I", "\(server.url(of: fixture.name))/\(path)"], log: log)
            return String(decoding: readFile(log) ?? [], as: UTF8.self)
        }
        let object = try #require(try fixture.objectPaths().first)
        #expect(try head(object).contains("Cache-Control: max-age=259200"))
        #expect(try head(".cvmfspublished").contains("Cache-Control: max-age=61"))
        for path in ["other", ".cvmfs-state/settings", "data/", "data/txn/x", ""] {
            #expect(try head(path).contains(" 404 "), "\(path)")
        }
    }
}
