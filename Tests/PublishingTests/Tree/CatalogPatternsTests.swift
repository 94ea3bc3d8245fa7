import CVMFS
import Catalog
import Testing

@testable import Publishing

@Suite("Patterns of nested catalogs")
struct CatalogPatternsTests {
    @Test(
        "patterns match whole components, exclusions whole paths",
        arguments: [
            ("/a/*", "/a/b", true), ("/a/*", "/a/b/c", false), ("/a/?", "/a/b", true), ("/a/?", "/a/bc", false),
            ("/[ab]/x", "/b/x", true), (#"/a/\*"#, "/a/b", false), (#"/a/\*"#, "/a/*", true),
            ("/a/*", "/a/.hidden", true),
            ("/a/*\n! *.git", "/a/b.git", false), ("/a/*\n!/a/[b]", "/a/b", true), ("  /a/*  \n# no\n\n", "/a/b", true),
        ])
    func matching(text: String, path: RepositoryPath, matches: Bool) throws {
        let patterns = try CatalogPatterns(Array(text.utf8))
        let names = path.components
        let found =
            patterns.positive.contains { pattern in
                pattern.count == names.count
                    && zip(pattern, names).allSatisfy { CatalogPatterns.matches($1.bytes, $0.bytes) }
            } && !patterns.excludes(path)
        #expect(found == matches)
    }

    @Test(
        "a file with one line that makes no sense is refused",
        arguments: [
            "relative/*", #"/a/\b"#, #"/a\"#, "/a/*\n!/a/*", "!",
        ])
    func invalid(text: String) {
        #expect(throws: PublishingError.self) { try CatalogPatterns(Array(text.utf8)) }
    }

    @Test("directories that a pattern matches get catalogs of their own, and look as before")
    func applied() async throws {
        let fresh = try await FreshRepository()
        let first = try await fresh.begin()
        for name in ["a", "b", "c.git"] { try await first.addFile(RepositoryPath("/sw/\(name)/file"), [1]) }
        try await first.addFile("/sw/plain", [2])
        try await first.addFile("/.cvmfsdirtab", Array("/sw/*\n! *.git\n/absent/*\n".utf8))
        try await first.commit()
        let warnings = await first.summary.warnings
        #expect(warnings.count == 1 && warnings.first?.message.contains("/absent/*") == true)
        let snapshot = try await fresh.snapshot()
        var nested: [RepositoryPath] = []
        var listed: [RepositoryPath] = []
        for try await entry in snapshot.walk() {
            listed.append(entry.path)
            if try await snapshot.nestedCatalog(at: entry) != nil { nested.append(entry.path) }
        }
        #expect(nested == ["/sw/a", "/sw/b"])
        #expect(!listed.contains { $0.name == ".cvmfscatalog" })
        #expect(try await snapshot.entry(at: "/sw/a/.cvmfscatalog").isHidden)
        #expect(try await fresh.defects() == [])
        // The next publication leaves them alone.
        let second = try await fresh.begin()
        try await second.addFile("/sw/a/other", [3])
        try await second.commit()
        #expect(try await fresh.snapshot().entry(at: "/sw/a/.cvmfscatalog").isHidden)
        #expect(try await fresh.defects() == [])
    }

    @Test("what the repository shows of its tags matches no pattern")
    func virtualDirectory() async throws {
        var repository = try TreeRepository()
        try await repository.change { tree, pipeline in
            var hidden = EntryRecord.directory(permissions: 0o555, mtime: 1)
            hidden.isHidden = true
            try tree.insert(hidden, at: "/.cvmfs")
            for path: RepositoryPath in ["/.cvmfs/snapshots", "/a", "/a/b"] {
                try tree.insert(.directory(mtime: 1), at: path)
            }
            let empty = try await pipeline.store(BytesSource([]))
            let unmatched = try tree.nest(CatalogPatterns(Array("/*\n/*/*\n/.cvmfs/*\n".utf8)), empty: empty)
            #expect(unmatched == ["/.cvmfs/*"])
        }
        let nested = try await repository.nestedCatalogs()
        #expect(nested == ["/a", "/a/b"])
        #expect(try await repository.defects() == [])
    }
}
