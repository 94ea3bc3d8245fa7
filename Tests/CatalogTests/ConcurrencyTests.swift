import CASCore
import Catalog
import CatalogFixtures
import FixtureTrees
import SystemPackage
import Testing

@Suite("Many threads")
struct ConcurrencyTests {
    @Test(
        "any number of threads read one catalog at the same time, with one connection or several",
        arguments: [1, 2, 4])
    func sharedCatalog(_ connections: Int) async throws {
        let large = LargeCatalog(entries: 3000, shape: .directories(ofFiles: 100))
        let folder = try TemporaryFolder()
        try large.write(to: folder.path("large.db"))
        let options = CatalogOptions(cacheBytes: 128 << 10, connections: connections)
        let catalog = try FileCatalog(at: FilePath(folder.path("large.db")), options: options)
        let seed = SeededGenerator(for: "threads").seed
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask { @concurrent in
                    try read(catalog, large, task, SeededGenerator(seed: seed &+ UInt64(task)))
                }
            }
            try await group.waitForAll()
        }
        withExtendedLifetime(folder) {}
    }

    private func read(_ catalog: FileCatalog, _ large: LargeCatalog, _ task: Int, _ seeded: SeededGenerator) throws {
        var random = seeded
        for round in 0..<150 {
            let number = Int.random(in: 0..<large.files, using: &random)
            let path = large.path(ofFile: number)
            #expect(try catalog.entry(at: path)?.size == LargeCatalog.size(of: number))
            #expect(try catalog.nestedCatalog(containing: path) == nil)
            if round % 50 == task { #expect(try catalog.listByName(LargeCatalog.directory(3)).count == 100) }
            if round % 40 == task { catalog.releaseMemory() }
            if round % 30 == task { #expect(catalog.memoryUsed > 0) }
        }
    }

    @Test("catalogs are opened and closed by many threads at the same time")
    func opening() async throws {
        let made = try MadeCatalog { try $0.add(.file("/a", size: 5)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 { group.addTask { @concurrent in try open(made) } }
            try await group.waitForAll()
        }
    }

    private func open(_ made: MadeCatalog) throws {
        for _ in 0..<20 { #expect(try made.open().entry(at: "/a")?.size == 5) }
    }
}
