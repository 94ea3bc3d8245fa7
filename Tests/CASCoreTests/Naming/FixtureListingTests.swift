import CASCore
import FixtureTrees
import Testing

@Suite("The fixtures' listings")
struct FixtureListingTests {
    @Test("every entry is read, and its fields fit its kind", arguments: Fixtures.all)
    func entries(of repository: FixtureRepository) throws {
        let entries = try repository.entries()
        #expect(entries.count > 100)
        #expect(entries.first?.path == .root)
        #expect(Set(entries.map(\.path)).count == entries.count)
        let paths = Dictionary(uniqueKeysWithValues: entries.map { ($0.path, $0.kind) })
        for entry in entries {
            if let parent = entry.path.parent { #expect(paths[parent] == .directory, "\(entry.path)") }
            #expect((entry.size != nil) == (entry.kind == .file), "\(entry.path)")
            #expect((entry.sha256?.utf8.count == 64) == (entry.kind == .file), "\(entry.path)")
            #expect((entry.targetRaw != nil) == (entry.kind == .symlink), "\(entry.path)")
            #expect((entry.device?.count == 2) == (entry.kind == .character || entry.kind == .block), "\(entry.path)")
            #expect((entry.mtime == nil) == entry.path.isRoot, "\(entry.path)")
            #expect((entry.linkCount == nil) == (entry.linkGroup == nil), "\(entry.path)")
        }
        #expect(entries.contains { !$0.xattrs.isEmpty })
        #expect(entries.contains { String(validating: $0.path.bytes, as: UTF8.self) == nil })
    }

    @Test("the manifest names the fixture and its hash algorithm", arguments: Fixtures.all)
    func manifest(of repository: FixtureRepository) throws {
        let manifest = try repository.manifest()
        #expect(manifest["N"] == repository.name)
        #expect(manifest["C"].flatMap { ContentHash($0) }?.algorithm == repository.hashAlgorithm)
        #expect(try repository.bytes(".cvmfswhitelist").isEmpty == false)
    }

    @Test("the four small repositories are in every clone")
    func small() {
        #expect(
            Fixtures.small.map(\.name) == [
                "tiny.example.org", "tinyplain.example.org", "tinyripemd.example.org", "tinyshake.example.org",
            ])
        #expect(Fixtures.named("tinyshake").hashAlgorithm == .shake128)
    }
}
