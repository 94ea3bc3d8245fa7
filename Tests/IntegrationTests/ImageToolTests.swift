import Foundation
import LocalServers
import Publishing
import SystemPackage
import Testing

/// `cvmfs publish` of archives and images, and `cvmfs image`, as a user calls them.
@Suite("The command line with archives and images")
struct ImageToolTests {
    private static let name = "images.example.org"

    private func run(_ folder: borrowing TemporaryFolder, _ arguments: String...) throws -> Tool.Run {
        var arguments = arguments
        let storage = "\(folder.path)/\(Self.name)"
        let isImage = arguments[0] == "image"
        arguments.insert(Self.name, at: isImage ? 2 : 1)
        arguments += ["--storage", storage]
        arguments += isImage ? ["--cache", "\(folder.path)/cache"] : ["--keys", "\(folder.path)/keys"]
        return try Tool.run(arguments)
    }

    @Test("an image is published, listed, shown and proved, and a changed one is told")
    func image() async throws {
        let folder = try TemporaryFolder("image-tool")
        var new = RepositoryInitialization(
            of: Self.name, storage: FilePath("\(folder.path)/\(Self.name)"), keys: FilePath("\(folder.path)/keys"))
        new.keyBits = 1024
        _ = try await new.run()
        let script = """
            cd \(folder.path); mkdir -p a/etc b/etc; echo one > a/etc/one; echo two > b/etc/two; echo x > b/etc/.wh.one
            tar -C a -cf a.tar .; tar -C b -cf b.tar etc/two etc/.wh.one; gzip < a.tar > a.tar.gz
            umoci init --layout image
            for tag in one both; do umoci new --image image:$tag; umoci raw add-layer --image image:$tag a.tar; done
            umoci raw add-layer --image image:both b.tar
            umoci config --image image:both --config.cmd=/bin/sh
            """
        try runToEnd("/bin/bash", ["-ec", script], log: "\(folder.path)/log")

        let tar = try run(folder, "publish", "--from", "\(folder.path)/a.tar.gz", "--at", "/plain")
        #expect(tar.status == 0, "\(tar.errors)")
        let unnamed = try run(folder, "publish", "--from", "\(folder.path)/image", "--at", "/image")
        #expect(unnamed.status == 1 && unnamed.errors.contains("both, one"), "\(unnamed.errors)")
        let published = try run(
            folder, "publish", "--from", "\(folder.path)/image", "--image", "both", "--at", "/image", "--json")
        #expect(published.status == 0, "\(published.errors)")

        let list = try run(folder, "image", "list")
        #expect(list.lines.count == 1 && list.text.hasPrefix("/image\tsha256:"), "\(list.text)\(list.errors)")
        let show = try run(folder, "image", "show", "/image", "--json").json() as? [String: Any]
        #expect((show?["layers"] as? [Any])?.count == 2)
        #expect(show?["reference"] as? String == "both")
        let configuration = try run(folder, "image", "show", "/image", "--configuration").json() as? [String: Any]
        #expect((configuration?["config"] as? [String: Any])?["Cmd"] as? [String] == ["/bin/sh"])

        let recorded = try run(folder, "image", "verify", "/image")
        #expect(recorded.status == 0 && recorded.text.hasPrefix("genuine"), "\(recorded.text)\(recorded.errors)")
        let compared = try run(
            folder, "image", "verify", "/image", "--from", "\(folder.path)/image", "--image", "both")
        #expect(compared.status == 0 && compared.text.contains("compared with the image"), "\(compared.text)")
        let other = try run(folder, "image", "verify", "/image", "--from", "\(folder.path)/image", "--image", "one")
        #expect(other.status == 1 && other.text.contains("/etc/one is missing"), "\(other.text)\(other.errors)")
        let absent = try run(folder, "image", "verify", "/plain")
        #expect(absent.status == 1 && absent.errors.contains("no record"), "\(absent.errors)")
    }

    @Test("the program does not load libarchive before it needs it")
    func loading() throws {
        let folder = try TemporaryFolder("image-tool")
        try runToEnd(
            "/bin/sh", ["-c", "ldd \(Tool.program.path) > \(folder.path)/libraries"], log: "\(folder.path)/log")
        let libraries = String(decoding: readFile("\(folder.path)/libraries") ?? [], as: UTF8.self)
        #expect(libraries.contains("libc.so"))
        #expect(!libraries.contains("libarchive"))
    }
}
