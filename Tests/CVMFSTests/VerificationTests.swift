import CVMFS
import CatalogFixtures
import FixtureTrees
import RepositoryMaker
import Testing

@Suite("Verifying whole repositories")
struct VerificationTests {
    private func verify(_ made: borrowing MadeRepository) async throws -> VerificationReport {
        let scratch = try TemporaryCache()
        return try await made.open().verify(scratch: scratch.store)
    }

    @Test("what the reference published is sound, tags and all", arguments: Fixtures.all)
    func sound(fixture: FixtureRepository) async throws {
        let opened = try await OpenedFixture(fixture)
        let scratch = try TemporaryCache()
        let report = try await opened.repository.verify(scratch: scratch.store)
        #expect(report.defects == [])
        #expect(report.catalogs > 1 && report.objects > 10 && report.entries > 100)
    }

    @Test("each damaged object is one defect, however often it is referenced")
    func objects() async throws {
        var made = try MadeRepository.withTree()
        try made.maker.file("/copy-of-motd", Array("hello\n".utf8))
        let published = try made.maker.publish(tags: ["v1"])
        let snapshot = try await made.open().snapshot()
        let motd = try #require(try await snapshot.entry(at: "/etc/motd").object)
        let tool = try #require(try await snapshot.entry(at: "/usr/bin/tool").object)
        let large = try await snapshot.entry(at: "/large")
        let chunks = try await snapshot.chunks(of: large).map(\.object)
        #expect(try await verify(made).isSound)

        try published.folder.damage(motd) { $0[3] ^= 1 }
        try published.folder.remove(tool)
        try published.folder.damage(chunks[1]) { $0.removeLast() }
        let defects = try await verify(made).defects
        #expect(Set(defects.map(\.object)) == [motd, tool, chunks[1]] && defects.count == 3)
        #expect(defects.first { $0.object == motd }?.kind == .corruptObject)
        #expect(defects.first { $0.object == tool }?.kind == .missingObject)
        #expect(defects.first { $0.object == chunks[1] }?.path == "/large")
    }

    @Test("a nested catalog that is missing or damaged is a defect, and the rest is checked all the same")
    func catalogs() async throws {
        var made = try MadeRepository.withTree()
        let published = try made.maker.publish()
        let nested = try #require(published.catalogs["/usr"]).object
        try published.folder.damage(nested) { $0[10] ^= 0x40 }
        let report = try await verify(made)
        #expect(report.defects.map(\.kind) == [.corruptObject] && report.defects.first?.path == "/usr")
        #expect(report.objects == 5)
        try published.folder.remove(nested)
        #expect(try await verify(made).defects.map(\.kind) == [.missingObject])
    }

    /// Faults of catalogs that are well signed: what a careless publisher would make.
    enum Fault: String, CaseIterable, Sendable {
        case counter, size, sharedSize, linkCount, hardlinkGroup, orphan, noContent, chunkGap, badName
        case mountpointWithoutCatalog, catalogWithoutMountpoint, differentMountpoint, wrongPrefix

        var expected: Defect.Kind {
            switch self {
            case .counter: .wrongCounter
            case .size, .sharedSize: .wrongSize
            case .linkCount, .hardlinkGroup: .wrongLinkCount
            case .orphan: .unreachableEntry
            case .noContent: .missingContent
            case .chunkGap: .malformedChunks
            case .badName: .malformedEntry
            case .mountpointWithoutCatalog, .catalogWithoutMountpoint, .differentMountpoint: .nestedMismatch
            case .wrongPrefix: .malformedCatalog
            }
        }
    }

    @Test("each fault of a catalog is found", arguments: Fault.allCases)
    func faults(fault: Fault) async throws {
        var made = try MadeRepository.withTree()
        try made.maker.file("/other", Array("hello\n".utf8))
        made.maker.changeCatalog(at: fault == .wrongPrefix || fault == .differentMountpoint ? "/usr" : .root) {
            catalog in
            let database = catalog.maker.database
            switch fault {
            // A file is counted that is not there.
            case .counter: catalog.count(flags: 4, size: 0)
            case .size: try database.run("UPDATE catalog SET size = 7 WHERE name IN ('motd', 'other')")
            case .sharedSize: try database.run("UPDATE catalog SET size = 7 WHERE name = 'other'")
            case .linkCount: try database.run("UPDATE catalog SET hardlinks = 9 WHERE name = 'etc'")
            case .hardlinkGroup:
                try database.run("UPDATE catalog SET hardlinks = (1 << 32) | 2 WHERE name = 'other'")
            case .orphan: try database.run("UPDATE catalog SET parent_1 = 1, parent_2 = 1 WHERE name = 'other'")
            case .noContent: try database.run("UPDATE catalog SET hash = NULL WHERE name = 'other'")
            case .chunkGap: try database.run("DELETE FROM chunks WHERE offset = 65536")
            case .badName: try database.run("UPDATE catalog SET name = 'a/b' WHERE name = 'other'")
            case .mountpointWithoutCatalog: try database.run("DELETE FROM nested_catalogs")
            case .catalogWithoutMountpoint: try database.run("UPDATE catalog SET flags = flags & ~2 WHERE name = 'usr'")
            case .differentMountpoint: try database.run("UPDATE catalog SET mode = mode & ~1 WHERE name = 'usr'")
            case .wrongPrefix: try database.run("UPDATE properties SET value = '/etc' WHERE key = 'root_prefix'")
            }
        }
        _ = try made.maker.publish()
        let report = try await verify(made)
        #expect(report.defects.contains { $0.kind == fault.expected }, "\(report.defects)")
    }
}
