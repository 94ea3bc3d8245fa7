import CASCore
import FixtureTrees
import Testing

@Suite("Paths in a repository")
struct RepositoryPathTests {
    @Test(
        "every spelling becomes the normal form",
        arguments: [
            ("", ""), ("/", ""), ("//", ""), (".", ""), ("/.", ""), ("..", ""), ("/..", ""), ("/../..", ""),
            ("usr", "/usr"), ("/usr", "/usr"), ("/usr/", "/usr"), ("//usr//bin//", "/usr/bin"),
            ("/usr/./bin", "/usr/bin"), ("/usr/../bin", "/bin"), ("/usr/..", ""), ("/usr/bin/..", "/usr"),
            ("/usr/bin/../..", ""), ("/usr/bin/../../../../etc", "/etc"), ("../etc", "/etc"),
            ("/a/b/c/../../d", "/a/d"), ("/.../..x/.y/x..", "/.../..x/.y/x.."), ("/a/...", "/a/..."),
            ("/a/.../..", "/a"), ("/ ", "/ "), ("/a\u{0}b", "/a\u{0}b"), ("/Größe/", "/Größe"),
        ])
    func normal(spelling: String, expected: String) {
        let path = RepositoryPath(spelling)
        #expect(path.bytes == Array(expected.utf8))
        #expect(RepositoryPath(bytes: path.bytes) == path)
        #expect(path.description == (expected.isEmpty ? "/" : expected))
        #expect(path.isRoot == expected.isEmpty)
    }

    @Test("random paths come out as resolving them component by component does")
    func random() {
        var random = SeededGenerator(for: "normal paths")
        let alphabet = Array("/./.a".utf8)
        for _ in 0..<3000 {
            let length = Int.random(in: 0...20, using: &random)
            let bytes = (0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
            var expected: [String] = []
            for part in String(decoding: bytes, as: UTF8.self).split(separator: "/") {
                if part == ".." { _ = expected.popLast() } else if part != "." { expected.append(String(part)) }
            }
            #expect(
                RepositoryPath(bytes: bytes).components.map(\.description) == expected,
                "\(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test("a path is taken apart and put together again")
    func parts() {
        let path: RepositoryPath = "/usr/bin/env"
        #expect(path.name == "env")
        #expect(path.parent == "/usr/bin")
        #expect(path.parent?.parent?.parent == .root)
        #expect(RepositoryPath.root.parent == nil)
        #expect(RepositoryPath.root.name.bytes == [])
        #expect(RepositoryPath.root.components == [])
        #expect(path.components == ["usr", "bin", "env"])
        #expect(path.components.reduce(RepositoryPath.root) { $0.appending($1) } == path)
        #expect(RepositoryPath("/usr").appending(RepositoryPath("/bin/env")) == path)
        #expect(path.appending(RepositoryPath.root) == path)
        #expect(RepositoryPath("/usr").appending("bin/./env") == path)
        #expect(RepositoryPath("/usr").appending("../bin") == "/usr/bin")
        #expect(RepositoryPath.root.appending(path) == path)
    }

    @Test("being inside is a matter of whole components")
    func inside() {
        let path: RepositoryPath = "/usr/bin/env"
        #expect(path.isInside("/usr/bin"))
        #expect(path.isInside(path))
        #expect(path.isInside(.root))
        #expect(RepositoryPath.root.isInside(.root))
        #expect(!path.isInside("/usr/bi"))
        #expect(!path.isInside("/usr/bin/env/x"))
        #expect(!path.isInside("/usr/lib"))
        #expect(path.relative(to: "/usr") == "/bin/env")
        #expect(path.relative(to: .root) == path)
        #expect(path.relative(to: path) == .root)
        #expect(path.relative(to: "/us") == nil)
    }

    @Test("bytes that are not UTF-8 are kept, and shown as replacement characters")
    func notUTF8() {
        let path = RepositoryPath(bytes: [0x2F, 0x61, 0xE9, 0x2F, 0xFF])
        #expect(path.bytes == [0x2F, 0x61, 0xE9, 0x2F, 0xFF])
        #expect(path.name.bytes == [0xFF])
        #expect(path.description == "/a\u{FFFD}/\u{FFFD}")
    }

    @Test("paths sort by bytes, not by what text they are")
    func order() {
        let paths: [RepositoryPath] = ["/", "/B", "/a", "/a-b", "/a.b", "/a/b", "/ab", "/é", "/\u{FFFD}"]
        #expect(paths.reversed().sorted() == paths)
    }
}
