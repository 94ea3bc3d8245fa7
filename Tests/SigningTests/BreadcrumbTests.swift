import CASCore
import FixtureTrees
import Signing
import Testing

@Suite("Breadcrumb")
struct BreadcrumbTests {
    private static let hash = "0000000000000000000000000000000000000001"

    private static func read(_ text: String) -> Breadcrumb? { Breadcrumb(parsing: Array(text.utf8)) }

    @Test("is the reference's text", arguments: HashAlgorithm.allCases)
    func text(algorithm: HashAlgorithm) throws {
        let root = RepositoryFiles.hash("root", algorithm)
        let crumb = try #require(Breadcrumb(rootCatalog: root, published: UnixTime(42), revision: 7))
        #expect(String(decoding: crumb.serialized, as: UTF8.self) == "\(root)T42R7")
        #expect(Breadcrumb(parsing: crumb.serialized) == crumb)
        #expect(Breadcrumb(parsing: crumb.serialized + [0x0A]) == crumb)
        #expect(Self.read("\(root)T42") == Breadcrumb(rootCatalog: root, published: UnixTime(42), revision: 0))
        let last = try #require(Breadcrumb(rootCatalog: root, published: UnixTime(.max), revision: .max - 1))
        #expect(Breadcrumb(parsing: last.serialized) == last)
        #expect(last.serialized.count <= TrustLimits.breadcrumbBytes)
    }

    @Test("has the name that the reference's caches use")
    func fileName() {
        #expect(Breadcrumb.fileName(for: "a.example.org") == "cvmfschecksum.a.example.org")
    }

    @Test(
        "is none without a hash, without a time, or with nonsense",
        arguments: [
            "", "0", "T", "TTT", "T0", "T1", "0T", "0T1", hash, "\(hash)T", "\(hash)T0", "\(hash)T0R1", "\(hash)R1",
            "\(hash)T1R", "\(hash)T1R18446744073709551615", "\(hash)T1R18446744073709551616", "\(hash)T-1R1",
            "\(hash)T1R-1", "\(hash)T1R1R1", "\(hash)T1T1", "\(hash)T1R1\n\n", "\(hash)T1R1 ", " \(hash)T1R1",
            "\(hash)CT1R1", "\(hash)T9223372036854775808R1", "0000000000000000000000000000000000000000T1R1",
            "\(hash)T1R\(String(repeating: "0", count: 200))1",
        ])
    func invalid(text: String) {
        #expect(Self.read(text) == nil)
    }

    @Test("is made of a trusted manifest that has a time")
    func ofManifest() throws {
        let trusted = try RepositoryFiles.signed().verify()
        let expected = Breadcrumb(
            rootCatalog: trusted.manifest.rootCatalog, published: try #require(trusted.manifest.published), revision: 7)
        #expect(Breadcrumb(trusted) == expected)
        #expect(expected != nil)
        var timeless = RepositoryFiles.testManifest
        timeless.published = nil
        #expect(try Breadcrumb(RepositoryFiles.signed(manifest: timeless).verify()) == nil)
    }

    struct Case: Sendable, CustomStringConvertible {
        let seen: (time: Int64, revision: UInt64)
        let found: (time: Int64?, revision: UInt64, isSameRoot: Bool)
        let outcome: Outcome

        enum Outcome: Sendable, Equatable {
            case takes(Freshness)
            case refuses(SigningError.Code)
        }

        var description: String { "\(seen) then \(found): \(outcome)" }
    }

    /// Every combination of what can be earlier, the same or later, written out by hand.
    private static let table: [Case] = [
        // An earlier time is refused whatever else it says.
        Case(seen: (100, 5), found: (99, 4, false), outcome: .refuses(.manifestOutdated)),
        Case(seen: (100, 5), found: (99, 5, false), outcome: .refuses(.manifestOutdated)),
        Case(seen: (100, 5), found: (99, 6, false), outcome: .refuses(.manifestOutdated)),
        Case(seen: (100, 5), found: (99, 4, true), outcome: .refuses(.manifestOutdated)),
        Case(seen: (100, 5), found: (99, 5, true), outcome: .refuses(.manifestOutdated)),
        Case(seen: (100, 5), found: (99, 6, true), outcome: .refuses(.manifestOutdated)),
        Case(seen: (100, 5), found: (nil, 6, false), outcome: .refuses(.manifestOutdated)),
        // The same time is accepted.
        Case(seen: (100, 5), found: (100, 4, false), outcome: .refuses(.manifestNotNewer)),
        Case(seen: (100, 5), found: (100, 5, false), outcome: .refuses(.manifestNotNewer)),
        Case(seen: (100, 5), found: (100, 6, false), outcome: .takes(.newer)),
        Case(seen: (100, 5), found: (100, 4, true), outcome: .refuses(.manifestNotNewer)),
        Case(seen: (100, 5), found: (100, 5, true), outcome: .takes(.unchanged)),
        Case(seen: (100, 5), found: (100, 6, true), outcome: .takes(.unchanged)),
        // A later time does not make up for a revision that is not higher.
        Case(seen: (100, 5), found: (101, 4, false), outcome: .refuses(.manifestNotNewer)),
        Case(seen: (100, 5), found: (101, 5, false), outcome: .refuses(.manifestNotNewer)),
        Case(seen: (100, 5), found: (101, 6, false), outcome: .takes(.newer)),
        Case(seen: (100, 5), found: (101, 4, true), outcome: .refuses(.manifestNotNewer)),
        Case(seen: (100, 5), found: (101, 5, true), outcome: .takes(.unchanged)),
        Case(seen: (100, 5), found: (101, 6, true), outcome: .takes(.unchanged)),
        // Revision 0: a new repository, or a breadcrumb of old programs. Time decides.
        Case(seen: (100, 0), found: (99, 9, false), outcome: .refuses(.manifestOutdated)),
        Case(seen: (100, 0), found: (100, 0, false), outcome: .takes(.newer)),
        Case(seen: (100, 0), found: (101, 0, false), outcome: .takes(.newer)),
        Case(seen: (100, 0), found: (100, 0, true), outcome: .takes(.unchanged)),
        Case(seen: (100, 0), found: (100, 1, false), outcome: .takes(.newer)),
        Case(seen: (100, 0), found: (101, 1, true), outcome: .takes(.unchanged)),
    ]

    @Test("refuses what goes back, and knows new from unchanged", arguments: table)
    func rollback(row: Case) throws {
        let root = RepositoryFiles.hash("root")
        let crumb = try #require(
            Breadcrumb(rootCatalog: root, published: UnixTime(row.seen.time), revision: row.seen.revision))
        var manifest = RepositoryFiles.testManifest
        manifest.rootCatalog = row.found.isSameRoot ? root : RepositoryFiles.hash("other")
        manifest.published = row.found.time.map(UnixTime.init)
        manifest.revision = row.found.revision
        var files = try RepositoryFiles.signed(manifest: manifest)
        files.lastSeen = crumb
        switch row.outcome {
        case .takes(let freshness):
            #expect(try crumb.admit(manifest) == freshness)
            #expect(try files.verify().manifest == manifest)
        case .refuses(let expected):
            #expect(code(try crumb.admit(manifest)) == expected)
            #expect(code(try files.verify()) == expected)
        }
        files.lastSeen = nil
        #expect(try files.verify().manifest == manifest)
    }

    @Test("lets nothing older pass in any history of publications")
    func histories() throws {
        var generator = SeededGenerator(for: #function)
        for _ in 0..<200 {
            // What a server has shown over time, replayed in any order.
            var time: Int64 = 1
            var revision: UInt64 = 0
            let published = (0..<8).map { index in
                time += Int64.random(in: 0...2, using: &generator)
                revision += 1
                return Manifest(
                    rootCatalog: RepositoryFiles.hash("\(index)"), revision: revision, published: UnixTime(time))
            }
            var seen: Breadcrumb?
            var newest: UInt64 = 0
            for manifest in published.shuffled(using: &generator) + published.shuffled(using: &generator) {
                let isTaken: Bool
                if let seen { isTaken = (try? seen.admit(manifest)) == .newer } else { isTaken = true }
                #expect(isTaken == (manifest.revision > newest), "seed \(generator.seed)")
                guard isTaken else { continue }
                newest = manifest.revision
                seen = Breadcrumb(
                    rootCatalog: manifest.rootCatalog, published: try #require(manifest.published),
                    revision: manifest.revision)
            }
            #expect(newest == 8, "seed \(generator.seed)")
        }
    }
}
