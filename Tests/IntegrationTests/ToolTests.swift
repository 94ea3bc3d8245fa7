import CASCore
import FixtureTrees
import Foundation
import LocalServers
import Testing

@Suite("The program cvmfs")
struct ToolTests {
    private let fixture = Fixtures.named("tiny")
    private let cache: String
    private let url: String
    private let tool: Tool

    init() throws {
        cache = NSTemporaryDirectory() + "cvmfs-tool-\(UUID().uuidString)"
        url = "file://" + fixture.folder.path
        tool = Tool(["--key", fixture.keyFile.path, "--cache", cache])
    }

    private func ending<Result>(_ body: () throws -> Result) rethrows -> Result {
        defer { try? FileManager.default.removeItem(atPath: cache) }
        return try body()
    }

    @Test("find --json prints every entry, with the attributes of the published tree")
    func find() throws {
        try ending {
            let run = try tool.run("find", url, "/", "--json")
            #expect(run.status == 0 && run.errors == "")
            let found = Dictionary(uniqueKeysWithValues: try run.jsonLines().map { (Self.path($0), $0) })
            for expected in try fixture.entries() {
                let entry = try #require(found[expected.path.bytes.isEmpty ? Array("/".utf8) : expected.path.bytes])
                #expect(entry["type"] as? String == expected.kind.rawValue)
                #expect(entry["mode"] as? String == Self.octal(expected.mode))
                #expect(entry["uid"] as? Int == Int(expected.uid) && entry["gid"] as? Int == Int(expected.gid))
                if !expected.path.isRoot {
                    #expect(entry["mtime"] as? Int64 == expected.mtime)
                    #expect(entry["mtimeNanoseconds"] as? Int == expected.mtimeNanoseconds.map(Int.init))
                }
                if let size = expected.size { #expect(entry["size"] as? Int64 == size) }
                #expect(entry["device"] as? [Int] == expected.device)
                if let target = expected.targetRaw {
                    let raw = entry["targetRaw"] as? String ?? entry["target"] as? String
                    #expect(raw == String(decoding: target, as: UTF8.self))
                }
                let xattrs = (entry["xattrs"] as? [String: String] ?? [:]).mapValues {
                    Array(Data(base64Encoded: $0) ?? Data())
                }
                #expect(xattrs == expected.xattrs)
                if expected.kind == .file { #expect(entry["hash"] != nil || entry["chunks"] != nil) }
            }
            #expect(run.lines.first?.contains("\"path\":\"/\"") == true)
        }
    }

    @Test("ls prints an array, stat an object, and both agree with find")
    func listing() throws {
        try ending {
            let found = try tool.run("find", url, "/", "--json").jsonLines()
            let listed = try #require(try tool.run("ls", url, "/", "--json").json() as? [[String: Any]])
            let children = found.filter { entry in
                let path = entry["path"] as? String ?? ""
                return path != "/" && path.dropFirst().allSatisfy { $0 != "/" }
            }
            #expect(listed as NSArray == children as NSArray)
            let stat = try #require(try tool.run("stat", url, "/large1.bin", "--json").json() as? [String: Any])
            #expect(stat as NSDictionary == (found.first { $0["path"] as? String == "/large1.bin" } as NSDictionary?))
            #expect((stat["chunks"] as? [Any])?.count ?? 0 > 1)
        }
    }

    @Test("cat prints the bytes, and fetches no more than them")
    func cat() throws {
        try ending {
            let expected = try #require(try fixture.entries().first { $0.path == "/f34.so" })
            let run = try tool.run("cat", url, "/f34.so", "--summary")
            #expect(run.status == 0 && run.output.count == Int(expected.size ?? -1))
            // Certificate, root catalog, the file; manifest and whitelist are requests too.
            #expect(run.errors.contains("3 objects") && run.errors.contains("5 requests"))
            let again = try tool.run("cat", url, "/f34.so", "--summary")
            #expect(again.output == run.output && again.errors.contains("0 objects"))
        }
    }

    @Test("get copies, and goes on where it was")
    func get() throws {
        try ending {
            let target = cache + "-target"
            defer { try? FileManager.default.removeItem(atPath: target) }
            let first = try #require(try tool.run("get", url, "/", target, "--json").json() as? [String: Any])
            let second = try #require(try tool.run("get", url, "/", target, "--json").json() as? [String: Any])
            #expect(first["bytes"] as? Int ?? 0 > 0 && second["bytes"] as? Int == 0)
            #expect(first["entries"] as? Int == second["entries"] as? Int)
            #expect(
                try fixture.entries().allSatisfy { entry in
                    let path = target.utf8 + entry.path.bytes
                    var status = stat()
                    return lstat(path.map { CChar(bitPattern: $0) } + [0], &status) == 0
                })
        }
    }

    @Test("info, tags and verify print what they promise")
    func repository() throws {
        try ending {
            let info = try #require(try tool.run("info", url, "--json").json() as? [String: Any])
            let manifest = try fixture.manifest()
            #expect(info["name"] as? String == fixture.name)
            #expect(info["rootHash"] as? String == manifest["C"] && info["revision"] as? Int == 2)
            #expect(info["published"] as? String == "2026-11-24T07:16:48Z")
            #expect(info["hashAlgorithm"] as? String == "sha1" && info["garbageCollectable"] as? Bool == false)
            let certificate = try #require(info["certificate"] as? [String: String])
            #expect(certificate["fingerprint"]?.hasPrefix("E7:C1:54:2F") == true && certificate["notAfter"] != nil)
            #expect((info["metainfo"] as? [String: Any])?["administrator"] as? String == "ref")
            #expect(info["servers"] as? [String] == [url])

            let tags = try #require(try tool.run("tags", url, "--json").json() as? [[String: Any]])
            #expect(tags.compactMap { $0["name"] as? String }.sorted() == ["trunk", "trunk-previous"])

            let verify = try tool.run("verify", url, "--json")
            let report = try #require(try verify.json() as? [String: Any])
            #expect(
                verify.status == 0 && report["ok"] as? Bool == true && (report["defects"] as? [Any])?.isEmpty == true)
        }
    }

    @Test("a damaged repository makes verify fail with the defect, and the cache's own check drops what is damaged")
    func damage() throws {
        try ending {
            let copy = cache + "-copy"
            defer { try? FileManager.default.removeItem(atPath: copy) }
            try FileManager.default.copyItem(atPath: fixture.folder.path, toPath: copy)
            let stat = try #require(try tool.run("stat", url, "/f34.so", "--json").json() as? [String: Any])
            let hash = try #require(stat["hash"] as? String)
            let object = "\(copy)/data/\(hash.prefix(2))/\(hash.dropFirst(2))"
            var bytes = try #require(readFile(object))
            bytes[bytes.count / 2] ^= 1
            try writeFile(bytes, to: object)
            let run = try Tool.run(["verify", fixture.name, "--server", "file://\(copy)", "--json"] + tool.arguments)
            let report = try #require(try run.json() as? [String: Any])
            let defects = try #require(report["defects"] as? [[String: Any]])
            #expect(run.status == 1 && report["ok"] as? Bool == false)
            #expect(defects.count == 1 && defects[0]["object"] as? String == hash && defects[0]["kind"] != nil)

            _ = try tool.run("cat", url, "/f34.so")
            let cached = "\(cache)/\(hash.prefix(2))/\(hash.dropFirst(2))"
            var content = try #require(readFile(cached))
            content[100] ^= 4
            // In place: a new file would not carry the checksum.
            let handle = try #require(FileHandle(forWritingAtPath: cached))
            handle.write(Data(content))
            try handle.close()
            let local = try tool.run("verify", url, "--cache-only", "--json")
            #expect(local.status == 1 && local.text.contains(hash))
            #expect(!FileManager.default.fileExists(atPath: cached))
            #expect(try tool.run("verify", url, "--cache-only").status == 0)
        }
    }

    @Test("errors are one line that says what to do, with exit code 1; wrong usage is 64")
    func errors() throws {
        try ending {
            for (arguments, needle) in [
                (["cat", url, "/nowhere"], "/nowhere does not exist"),
                (["cat", url, "/d0"], "is a directory"), (["ls", url, "/f34.so/x"], "not a directory"),
                (["ls", "http://127.0.0.1:9/cvmfs/x.org", "/"], "127.0.0.1:9"),
                (["ls", url, "/", "--tag", "none"], "none"),
            ] {
                let run = try Tool.run(arguments + tool.arguments)
                #expect(run.status == 1, "\(arguments)")
                #expect(run.errors.split(separator: "\n").count == 1 && run.errors.contains(needle), "\(run.errors)")
                #expect(run.output.isEmpty)
            }
            let keyless = try Tool.run(["ls", url, "/", "--cache", cache])
            #expect(keyless.status == 1 && keyless.errors.contains("--key"))
            for arguments in [
                ["ls"], ["nonsense"], ["ls", url, "--root-hash", "abc"], ["ls", url, "--cache-limit", "much"],
                ["ls", url, "--tag", "a", "--date", "2026-01-01"], ["ls", fixture.name], ["ls", "ftp://x/y.org", "/"],
                ["ls", url, "--proxy", "a|b"], ["tags", url, "--tag", "a"],
            ] {
                #expect(try Tool.run(arguments).status == 64, "\(arguments)")
            }
        }
    }

    @Test("a name and a server with placeholders, a root hash without keys, completions")
    func addresses() throws {
        try ending {
            let parent = fixture.folder.deletingLastPathComponent().path
            let named = try tool.run("ls", fixture.name, "/", "--server", "file://\(parent)/@fqrn@")
            #expect(named.status == 0 && named.lines.contains("large1.bin"))
            let root = try #require(try fixture.manifest()["C"])
            let byHash = try Tool.run(["ls", url, "/", "--root-hash", root, "--cache", cache + "-hash"])
            defer { try? FileManager.default.removeItem(atPath: cache + "-hash") }
            #expect(byHash.lines == named.lines)
            let old = try tool.run("find", url, "/", "--tag", "trunk-previous")
            #expect(old.status == 0 && !old.lines.contains("/images"))
            let completions = try Tool.run(["--generate-completion-script", "bash"])
            #expect(completions.status == 0 && completions.text.contains("verify"))
        }
    }

    @Test("a name that is not UTF-8 can be given as it is")
    func bytes() throws {
        try ending {
            let path = try #require(
                try fixture.entries().first { String(validating: $0.path.bytes, as: UTF8.self) == nil })
            // The test's own arguments are text, so a shell makes the bytes.
            let escaped = path.path.bytes.map { "\\" + String($0, radix: 8) }.joined()
            let shell = Process()
            shell.executableURL = URL(filePath: "/bin/sh")
            let command = "exec \"$0\" cat \"$1\" \"$(printf '\(escaped)')\" --key \"$2\" --cache \"$3\""
            shell.arguments = ["-c", command, Tool.program.path, url, fixture.keyFile.path, cache]
            let pipe = Pipe()
            shell.standardOutput = pipe
            try shell.run()
            let content = try pipe.fileHandleForReading.readToEnd() ?? Data()
            shell.waitUntilExit()
            #expect(shell.terminationStatus == 0 && Int64(content.count) == path.size)
        }
    }

    @Test("over HTTP, with the server's log as witness: a file costs its objects and nothing else")
    func overHTTP() throws {
        try ending {
            let server = try NginxServer(serving: ["/cvmfs/\(fixture.name)": fixture.folder.path])
            let url = server.url(of: fixture.name)
            let run = try tool.run("cat", url, "/f34.so")
            #expect(run.status == 0)
            let requests = try server.requests()
            #expect(requests.count == 5 && requests.allSatisfy { $0.status == 200 })
            #expect(requests.allSatisfy { $0.userAgent.hasPrefix("cvmfs ") })
        }
    }

    private static func path(_ entry: [String: Any]) -> [UInt8] {
        if let encoded = entry["pathBase64"] as? String, let data = Data(base64Encoded: encoded) { return Array(data) }
        return Array((entry["path"] as? String ?? "").utf8)
    }

    private static func octal(_ mode: UInt16) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }
}
