import CASCore
import Signing
import Testing

@Suite("Manifest")
struct ManifestTests {
    private static let hash = "487d7b2ec47bfcacfbc4758ec1c0d43466a7afc5"
    private static let required = ["C\(hash)", "Rd41d8cd98f00b204e9800998ecf8427e", "D900", "S5"]

    private static func read(_ lines: [String]) throws -> Manifest {
        try Manifest(text: Array(lines.map { $0 + "\n" }.joined().utf8))
    }

    /// The required lines with some replaced or added.
    private static func read(with extra: String...) throws -> Manifest { try read(required + extra) }

    @Test("needs only four fields")
    func minimal() throws {
        let manifest = try Self.read(Self.required)
        let expected = Manifest(rootCatalog: try #require(ContentHash(Self.hash)), revision: 5, ttl: 900)
        #expect(manifest == expected)
        #expect(manifest.rootPath == RepositoryPath.root.key)
        #expect(manifest.name == nil && manifest.published == nil && manifest.certificateObject == nil)
        for missing in Self.required.indices {
            var lines = Self.required
            lines.remove(at: missing)
            #expect(code(try Self.read(lines)) == .manifestMalformed)
        }
    }

    @Test("keeps what it does not know, and repeats only Z")
    func unknownFields() throws {
        let manifest = try Self.read(with: "Zone", "q", "?first", "", "Ztwo", "?second", "S6", "S7")
        let field = { (key: String, value: String) in
            Manifest.Field(key: Array(key.utf8)[0], value: Array(value.utf8))
        }
        #expect(manifest.otherFields == [field("Z", "one"), field("q", ""), field("?", "second"), field("Z", "two")])
        #expect(manifest.revision == 7)
        let text = try manifest.serialized()
        #expect(try Manifest(text: text) == manifest)
        #expect(String(decoding: text, as: UTF8.self).hasSuffix("S7\nGno\nAno\nZone\nq\n?second\nZtwo\n"))
    }

    @Test("takes zeros for no hash, as old programs wrote it")
    func zeroHash() throws {
        let zeros = String(repeating: "0", count: 40)
        #expect(try Self.read(with: "L\(zeros)", "H\(zeros)", "X\(zeros)-rmd160") == Self.read(Self.required))
        #expect(code(try Self.read(with: "C\(zeros)")) == .manifestMalformed)
    }

    @Test("takes anything but yes for no, and time 0 for none")
    func lenience() throws {
        #expect(try Self.read(with: "GYES", "Atrue", "T0") == Self.read(Self.required))
        #expect(try Self.read(with: "Gyes").isGarbageCollectable)
        #expect(try Self.read(with: "Ayes").hasAlternativePaths)
    }

    @Test(
        "refuses nonsense",
        arguments: [
            "S-1", "S+1", "S 1", "S1 ", "S", "S1x", "S0x10", "S1.0", "S18446744073709551616", "S18446744073709551615",
            "D-1", "D4294967296", "D", "Dnever", "B-1", "B9223372036854775808", "B", "T-1", "T9223372036854775808",
            "T1e9",
            "C", "C487d", "C\(hash)C", "C\(hash.uppercased())", "C\(hash)-md5", "C\(hash)-SHAKE128",
            "Cd41d8cd98f00b204e9800998ecf8427e",
            "R", "Rd41d8cd98f00b204e9800998ecf8427", "Rd41d8cd98f00b204e9800998ecf8427g",
            "RD41D8CD98F00B204E9800998ECF8427E",
            "R+41d8cd98f00b204e9800998ecf8427e", "N", "X", "Xnothing", "H\(hash)0", "M", "Y-", "L\(hash) ",
        ])
    func nonsense(line: String) {
        #expect(code(try Self.read(with: line)) == .manifestMalformed)
    }

    @Test("refuses a name that is not UTF-8")
    func invalidName() throws {
        let text = Array(Self.required.map { $0 + "\n" }.joined().utf8) + [0x4E, 0xC3, 0x28, 0x0A]
        #expect(code(try Manifest(text: text)) == .manifestMalformed)
    }

    @Test("reads the largest numbers")
    func extremes() throws {
        let manifest = try Self.read(
            with: "S18446744073709551614", "D4294967295", "B9223372036854775807", "T9223372036854775807")
        #expect(manifest.revision == UInt64.max - 1)
        #expect(manifest.ttl == .max)
        #expect(manifest.rootCatalogSize == .max)
        #expect(manifest.published == UnixTime(.max))
        #expect(try Manifest(text: manifest.serialized()) == manifest)
    }

    @Test("writes every field in the reference's order")
    func complete() throws {
        var manifest = Manifest(
            rootCatalog: RepositoryFiles.hash("c", .shake128), rootCatalogSize: 1, revision: 2, name: "a.b",
            certificate: RepositoryFiles.hash("x", .shake128), history: RepositoryFiles.hash("h", .shake128),
            metainfo: RepositoryFiles.hash("m", .shake128), reflog: RepositoryFiles.hash("y", .shake128),
            published: UnixTime(3), ttl: 4, isGarbageCollectable: true, hasAlternativePaths: true)
        manifest.microCatalog = RepositoryFiles.hash("l", .shake128)
        let text = String(decoding: try manifest.serialized(), as: UTF8.self)
        #expect(text.split(separator: "\n").map { String($0.prefix(1)) }.joined() == "CBRDSGALNXHTMY")
        #expect(text.hasSuffix("\n") && !text.contains("\n\n"))
        #expect(try Manifest(text: Array(text.utf8)) == manifest)
    }

    @Test("does not write what could not be read again")
    func unwritable() throws {
        let field = { (key: String, value: String) in
            Manifest.Field(key: Array(key.utf8)[0], value: Array(value.utf8))
        }
        let changes: [(inout Manifest) -> Void] = [
            { $0.name = "a\nS99" }, { $0.name = "" }, { $0.rootCatalogSize = -1 }, { $0.published = UnixTime(-1) },
            { $0.published = UnixTime(0) }, { $0.revision = .max }, { $0.otherFields = [field("S", "99")] },
            { $0.otherFields = [field("-", "-")] }, { $0.otherFields = [field("q", "\nS99")] },
            { $0.otherFields = [field("\n", "")] }, { $0.otherFields = [field("q", "1"), field("q", "2")] },
        ]
        for (index, change) in changes.enumerated() {
            var manifest = RepositoryFiles.testManifest
            change(&manifest)
            #expect(code(try manifest.serialized()) == .cannotSign, "change \(index)")
        }
    }

    @Test("says where its objects are")
    func paths() throws {
        var manifest = RepositoryFiles.testManifest
        let root = manifest.rootCatalogObject
        let certificate = try #require(manifest.certificateObject)
        let nested = ObjectID(RepositoryFiles.hash("nested"), kind: .catalog)
        let rootAsFile = ObjectID(manifest.rootCatalog)
        for object in [root, certificate, nested, rootAsFile] {
            #expect(manifest.serverPath(of: object) == object.serverPath)
        }
        manifest.hasAlternativePaths = true
        #expect(manifest.serverPath(of: root) == ".cvmfsalt-\(manifest.rootCatalog)C")
        #expect(manifest.serverPath(of: certificate) == ".cvmfsalt-\(certificate.hash)X")
        #expect(manifest.serverPath(of: nested) == nested.serverPath)
        #expect(manifest.serverPath(of: rootAsFile) == rootAsFile.serverPath)
    }
}
