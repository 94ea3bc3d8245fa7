import CASCore
import Signing
import Testing

@Suite("Blacklist")
struct BlacklistTests {
    private static func read(_ text: String) throws -> Blacklist { try Blacklist(parsing: Array(text.utf8)) }

    @Test("names certificates and revisions, and anything else means nothing")
    func parsing() throws {
        let sha1 = TestKeys.certificate.fingerprint(.sha1)
        let shake = TestKeys.certificate.fingerprint(.shake128)
        let list = try Self.read(
            """
            # comment
            \(sha1)
            \(shake.hash) # another way

            <demo.example.org 100
            <a.b \t 7
            <a.b\t0
            < a.b 7
            <a.b 7\u{20}
            <a.b -7
            <a.b +7
            <a.b 0x7
            <a.b
            <a.b 7 8
            <
             <a.b 9
            nonsense
            <huge 99999999999999999999999
            <last 18446744073709551615
            """)
        let rule = Blacklist.RevisionRule.init
        #expect(list.fingerprints == [sha1, shake])
        #expect(
            list.revisions == [
                rule("demo.example.org", 100), rule("a.b", 7), rule("a.b", 0), rule("huge", .max), rule("last", .max),
            ])
        #expect(try Self.read("") == .empty)
    }

    @Test("refuses revisions below the number, of that name only")
    func revisions() throws {
        let list = try Self.read("<demo.example.org 100\n<demo.example.org 5\n")
        #expect(list.refuses(revision: 0, of: "demo.example.org"))
        #expect(list.refuses(revision: 99, of: "demo.example.org"))
        #expect(!list.refuses(revision: 100, of: "demo.example.org"))
        #expect(!list.refuses(revision: .max, of: "demo.example.org"))
        for other in ["demo.example.or", "demo.example.orgs", "Demo.example.org", "", "xdemo.example.org"] {
            #expect(!list.refuses(revision: 0, of: other))
        }
    }

    @Test("refuses a certificate by any algorithm", arguments: HashAlgorithm.allCases)
    func certificates(algorithm: HashAlgorithm) throws {
        let list = try Self.read("\(TestKeys.certificate.fingerprint(algorithm))")
        #expect(list.refuses(TestKeys.certificate))
        #expect(!list.refuses(TestKeys.otherCertificate))
    }

    @Test("joined with another refuses what either does")
    func union() throws {
        let first = try Self.read("\(TestKeys.certificate.fingerprint(.sha1))\n<a 5")
        let second = try Self.read("\(TestKeys.otherCertificate.fingerprint(.sha1))\n<a 7\n<b 1")
        let both = first.union(second)
        #expect(both.refuses(TestKeys.certificate) && both.refuses(TestKeys.otherCertificate))
        #expect(both.refuses(revision: 6, of: "a") && !both.refuses(revision: 7, of: "a"))
        #expect(both.refuses(revision: 0, of: "b") && !first.refuses(revision: 0, of: "b"))
    }

    @Test("does not stop what it does not name")
    func unconcerned() throws {
        var files = try RepositoryFiles.signed()
        files.chain.blacklist = try Self.read(
            "\(TestKeys.otherCertificate.fingerprint(.sha1))\n<demo.example.org 7\n<other.example.org 100\n")
        #expect(throws: Never.self) { try files.verify() }
    }

    @Test("is refused when it is too long: half of one is none")
    func bound() {
        let largest = [UInt8](repeating: 0x0A, count: TrustLimits.blacklistBytes)
        #expect(code(try Blacklist(parsing: largest)) == nil)
        #expect(code(try Blacklist(parsing: largest + [0x0A])) == .tooLarge)
    }
}
