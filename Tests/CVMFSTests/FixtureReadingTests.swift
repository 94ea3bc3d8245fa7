import CVMFS
import FixtureTrees
import Foundation
import Testing

@Suite("Reading the fixtures")
struct FixtureReadingTests {
    /// The second revision of some fixtures adds this, which their listings do not have.
    private static let secondRevision: Set<RepositoryPath> = [
        "/images", "/images/second", "/images/second/.cvmfscatalog", "/images/second/bin", "/images/second/bin/link",
        "/images/second/bin/tool",
        "/images/second/etc", "/images/second/etc/os-release",
    ]

    @Test("every entry and every byte is that of the published tree", arguments: Fixtures.all, Reach.allCases)
    func everything(fixture: FixtureRepository, reach: Reach) async throws {
        let opened = try await OpenedFixture(fixture, by: reach)
        let snapshot = try await opened.repository.snapshot(.newest)
        let expected = Dictionary(uniqueKeysWithValues: try fixture.entries().map { ($0.path, $0) })
        var found: [Entry] = []
        for try await entry in snapshot.walk() { found.append(entry) }

        let paths = Set(found.map(\.path))
        #expect(paths.count == found.count)
        #expect(Set(expected.keys).subtracting(paths) == [])
        let extra = paths.subtracting(expected.keys)
        #expect(extra == [] || extra == Self.secondRevision)
        for entry in found {
            guard let expected = expected[entry.path] else { continue }
            try await compare(entry, with: expected, in: snapshot)
        }
        try compareHardlinks(found, with: expected)
    }

    @Test("a walk is depth first, and sorted by the bytes of names in each directory", arguments: Fixtures.small)
    func order(fixture: FixtureRepository) async throws {
        let opened = try await OpenedFixture(fixture)
        var paths: [RepositoryPath] = []
        for try await entry in try await opened.repository.snapshot().walk() { paths.append(entry.path) }
        // Of two paths, the one whose components sort first comes first, a directory before what is in it.
        let sorted = paths.sorted { $0.components.lexicographicallyPrecedes($1.components) }
        #expect(paths == sorted)
    }

    @Test("the repository of 2015 is read, by a clock of then, and refused by one of now")
    func legacy() async throws {
        guard let fixture = Fixtures.legacy else { return }
        let folder = try TemporaryCache()
        let open = { (seconds: Int64?) in
            var options = RepositoryOptions()
            if let seconds { options.clock = { UnixTime(seconds) } }
            return try await Repository.open(
                fixture.name, from: ["file://" + fixture.folder.path],
                trusting: .masterKeys(in: FilePath(fixture.keyFile.path)), cache: folder.store, options: options)
        }
        let repository = try await open(1_445_500_000)
        var count = 0
        for try await entry in try await repository.snapshot().walk() where entry.kind == .file {
            count += 1
            #expect(try await repository.snapshot().file(entry).readAll().count == Int(entry.size))
        }
        #expect(count > 0)
        let error = await #expect(throws: CVMFSError.self) { try await open(nil) }
        #expect((error?.cause as? SigningError)?.code == .whitelistExpired)
    }

    private func compare(_ entry: Entry, with expected: FixtureEntry, in snapshot: Snapshot) async throws {
        let path = entry.path
        #expect("\(entry.kind)" == expected.kind.rawValue, "\(path)")
        #expect(entry.permissions == UInt32(expected.mode), "\(path)")
        #expect(entry.uid == expected.uid && entry.gid == expected.gid, "\(path)")
        if let mtime = expected.mtime, !path.isRoot {
            #expect(entry.mtime == mtime && entry.mtimeNanoseconds == expected.mtimeNanoseconds, "\(path)")
        }
        if let target = expected.targetRaw { #expect(entry.target == target, "\(path)") }
        #expect(entry.device.map { [Int($0.major), Int($0.minor)] } == expected.device, "\(path)")
        let xattrs = try await snapshot.xattrs(of: entry).attributes.map {
            (String(decoding: $0.name, as: UTF8.self), $0.value)
        }
        #expect(Dictionary(uniqueKeysWithValues: xattrs) == expected.xattrs, "\(path)")
        if let digest = expected.sha256 {
            #expect(entry.size == expected.size, "\(path)")
            #expect(sha256(try await snapshot.file(entry).readAll()) == digest, "\(path)")
        }
    }

    private func compareHardlinks(_ found: [Entry], with expected: [RepositoryPath: FixtureEntry]) throws {
        // Members of one group lie in one directory, so that and the group's number identify it.
        let groups = Dictionary(grouping: found.filter { $0.hardlinkGroup != 0 && expected[$0.path] != nil }) {
            "\($0.path.parent ?? .root):\($0.hardlinkGroup)"
        }
        for members in groups.values {
            #expect(Set(members.map { expected[$0.path]?.linkGroup }).count == 1)
            for member in members { #expect(Int(member.linkCount) == members.count) }
        }
        let linked = Set(expected.values.filter { $0.linkGroup != nil }.map(\.path))
        #expect(Set(groups.values.joined().map(\.path)) == linked)
    }
}
