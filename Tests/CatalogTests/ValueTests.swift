import FixtureTrees
import Testing

@testable import Catalog

@Suite("Values")
struct ValueTests {
    @Test(
        "variables of symlinks are filled in",
        arguments: [
            ("plain", "plain"), ("$(A)", "1"), ("x$(A)y$(B)z", "x1yz"), ("$(C)", ""), ("$(C:-d)", "d"),
            ("$(A:-d)", "1"),
            ("$(B:-d)", ""), ("$(C:-)", ""), ("$(C:-a:-b)", "a:-b"), ("$(C:d)", ""), ("$(:-d)", "d"), ("$()", ""),
            ("$", "$"), ("$$(A)", "$1"), ("$A", "$A"), ("$(A", "$(A"), ("a$(", "a$("), ("$(A)$(A", "1$(A"),
            ("$($(A)", ""), ("$(N)", "$(A)"), ("$(C:-$(A))", "$(A)"), ("$(A:-x)y)", "1y)"), ("", ""),
            ("../$(C:-a/b)/$(A)", "../a/b/1"), ("$ (A)", "$ (A)"), ("$(Ö)", "ö"),
        ])
    func templates(_ target: String, _ expected: String) {
        let template = SymlinkTemplate(Array(target.utf8))
        let environment = ["A": "1", "B": "", "N": "$(A)", "Ö": "ö"]
        #expect(String(decoding: template.expanded(environment), as: UTF8.self) == expected)
        #expect(template.hasVariables == (template.expanded { _ in [7] } != template.bytes))
    }

    @Test("targets that are not UTF-8 stay what they are")
    func bytes() {
        let template = SymlinkTemplate([0xFF] + Array("$(".utf8) + [0xFE] + Array(")".utf8) + [0xFD])
        #expect(template.expanded { $0 == [0xFE] ? [0xFC] : nil } == [0xFF, 0xFC, 0xFD])
    }

    @Test("xattrs are parsed as the reference does")
    func xattrs() {
        let blob: [UInt8] =
            [1, 3, 6, 2] + Array("user.bvv".utf8) + [6, 0] + Array("user.a".utf8) + [6, 1] + Array("user.bw".utf8)
        let parsed = ExtendedAttributes(blob: blob)
        #expect(parsed?.attributes.map { String(decoding: $0.name, as: UTF8.self) } == ["user.a", "user.b"])
        #expect(parsed?["user.a"] == [] && parsed?["user.b"] == Array("w".utf8) && parsed?["user.c"] == nil)
        #expect(ExtendedAttributes(blob: blob + [1, 2, 3]) == parsed)
        #expect(ExtendedAttributes(blob: [1, 0])?.attributes.isEmpty == true)
        let longest: [UInt8] = [1, 1, 255, 255] + Array(repeating: 1, count: 510)
        #expect(ExtendedAttributes(blob: longest)?.attributes.first?.value.count == 255)
        for bad: [UInt8] in [
            [], [1], [0, 0], [2, 0], [1, 1], [1, 1, 3], [1, 1, 0, 0], [1, 1, 0, 1, 5], [1, 1, 3, 1, 65, 66, 67],
            [1, 1, 2, 0, 65, 0], [1, 2, 1, 0, 65],
        ] {
            #expect(ExtendedAttributes(blob: bad) == nil, "\(bad)")
        }
    }

    @Test("any bytes as xattrs give attributes that are well formed, or none")
    func anyXattrs() {
        var random = SeededGenerator(for: "xattrs")
        for _ in 0..<20_000 {
            var blob = (0..<Int.random(in: 0...40, using: &random)).map { _ in UInt8.random(in: 0...9, using: &random) }
            if blob.count > 0 { blob[0] = 1 }
            guard let parsed = ExtendedAttributes(blob: blob) else { continue }
            let names = parsed.attributes.map(\.name)
            #expect(names.allSatisfy { !$0.isEmpty && !$0.contains(0) })
            #expect(zip(names, names.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
        }
    }

    @Test("device numbers are taken apart and put together as Linux does")
    func devices() {
        var random = SeededGenerator(for: "device numbers")
        #expect(DeviceNumber(linux: 0x1000_ABC2_34DE) == DeviceNumber(major: 0x1234, minor: 0xABCDE))
        #expect(DeviceNumber(major: 4095, minor: 1_048_575).linux == 0xFFFF_FFFF)
        for number in [0, .max] + (0..<1000).map({ _ in UInt64.random(in: 0 ... .max, using: &random) }) {
            #expect(DeviceNumber(linux: number).linux == number)
        }
    }

    @Test("only ordinary tables are plain")
    func plainTables() {
        #expect(TableCheck.isPlain("CREATE TABLE catalog (a INTEGER, CONSTRAINT pk_a PRIMARY KEY (a))"))
        #expect(TableCheck.isPlain("CREATE TABLE catalog(aside INTEGER, mass TEXT)"))
        for statement in [
            "CREATE VIEW catalog AS SELECT 1", "CREATE VIRTUAL TABLE catalog USING fts5(a)", "", "CREATE TABLE",
            "CREATE TABLE catalog (a INTEGER, b AS (a + 1))", "CREATE TABLE catalog (a, b GENERATED ALWAYS AS (a))",
            "CREATE TABLE catalog (a INTEGER PRIMARY KEY) WITHOUT ROWID", "CREATE TABLE catalog (a, b\tas\n(a))",
            "CREATE TABLE catalog (path TEXT COLLATE NOCASE)", "create/**/virtual table catalog using x",
        ] {
            #expect(!TableCheck.isPlain(statement), "\(statement)")
        }
    }
}
