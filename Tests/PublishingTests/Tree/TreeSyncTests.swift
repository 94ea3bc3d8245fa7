import CVMFS
import Catalog
import FixtureTrees
import Testing

@testable import Publishing

@Suite("Publishing trees")
struct TreeSyncTests {
    @Test("random trees, changed again and again, read back as they are, with every counter right", arguments: 0..<3)
    func randomTrees(round: Int) async throws {
        var random = SeededGenerator(for: "random trees, round \(round)")
        var repository = try TreeRepository(hash: HashAlgorithm.allCases[round % 3])
        var model = ModelTree.random(&random, entries: 70)
        for step in 0..<4 {
            let balance = step % 2 == 1 ? CatalogBalance(maximum: 40, minimum: 8) : nil
            try await repository.sync(ModelSource(model), balance: balance)
            let (lines, defects) = (try await repository.lines(), try await repository.defects())
            #expect(lines == model.lines())
            #expect(defects == [])
            model.mutate(&random, changes: 15)
        }
    }

    @Test("publishing what is there changes nothing, and reads as it did")
    func unchanged() async throws {
        var random = SeededGenerator(for: "publishing what is there")
        var repository = try TreeRepository()
        let model = ModelTree.random(&random, entries: 200)
        let first = try await repository.sync(ModelSource(model), balance: CatalogBalance(maximum: 50, minimum: 8))
        #expect(first.report.added > 100 && first.stored != nil)
        let second = try await repository.sync(ModelSource(model))
        #expect(second.stored == nil)
        #expect(second.report.unchanged == Int64(model.nodes.count))
        #expect(second.report.added == 0 && second.report.changed == 0 && second.report.removed == 0)
    }

    @Test("a tree goes to any path, replaces what was there, and is a nested catalog when it is to be")
    func places() async throws {
        var random = SeededGenerator(for: "a tree goes to any path")
        var repository = try TreeRepository()
        var whole = ModelTree.random(&random, entries: 60)
        for name in ["a", "b"] { whole[RepositoryPath("/\(name)")] = ModelTree.Node(kind: .directory) }
        whole = whole.subtree(.root)
        try await repository.sync(ModelSource(whole))
        for round in 0..<3 {
            let part = ModelTree.random(&random, entries: 50)
            let top: RepositoryPath = round == 1 ? "/b" : "/a"
            whole.replace(top, with: part)
            try await repository.sync(ModelSource(part), at: top, nested: true)
            let (lines, defects) = (try await repository.lines(), try await repository.defects())
            #expect(lines == whole.lines())
            #expect(defects == [])
        }
        let nested = try await repository.nestedCatalogs()
        #expect(nested == ["/a", "/b"])
    }

    @Test("markers in the source make nested catalogs, and their going merges them")
    func markers() async throws {
        var random = SeededGenerator(for: "markers in the source")
        var repository = try TreeRepository()
        var model = ModelTree.random(&random, entries: 80)
        let places = Array(model.directories.dropFirst().shuffled(using: &random).prefix(5))
        for (index, place) in places.enumerated() {
            let marker = place.appending(FileName(".cvmfscatalog"))
            if model[marker] == nil { model[marker] = ModelTree.Node(kind: .file) }
            try await repository.sync(ModelSource(model))
            let (lines, defects) = (try await repository.lines(), try await repository.defects())
            #expect(lines == model.lines())
            #expect(defects == [])
            let nested = try await repository.nestedCatalogs()
            #expect(Set(nested) == Set(places.prefix(index + 1)))
        }
        for place in places {
            model.remove(place.appending(FileName(".cvmfscatalog")))
            try await repository.sync(ModelSource(model))
            let (lines, defects) = (try await repository.lines(), try await repository.defects())
            #expect(lines == model.lines())
            #expect(defects == [])
        }
        let nested = try await repository.nestedCatalogs()
        #expect(nested == [])
    }
}
