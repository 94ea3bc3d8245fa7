import CASCore
import Testing

@Suite("Names of objects")
struct ObjectIDTests {
    private static let digits = "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78"

    @Test(
        "a server keeps an object under its hash and its kind's letter",
        arguments: [
            (ObjectKind.file, ""), (.catalog, "C"), (.history, "H"), (.certificate, "X"), (.metainfo, "M"),
            (.chunk, "P"), (.microCatalog, "L"),
        ])
    func serverPath(kind: ObjectKind, letter: String) throws {
        #expect(kind.letter == letter)
        for algorithm in HashAlgorithm.allCases {
            let hash = try #require(ContentHash(Self.digits + algorithm.suffix))
            for compression in Compression.allCases {
                let id = ObjectID(hash, kind: kind, compression: compression)
                #expect(
                    id.serverPath == "data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78\(algorithm.suffix)\(letter)")
                #expect(id.description == "\(Self.digits)\(algorithm.suffix)\(letter)")
            }
        }
    }

    @Test("every kind was tried")
    func kinds() { #expect(ObjectKind.allCases.count == 7) }

    @Test("the kind is not part of the identity; hash and compression are")
    func identity() throws {
        let hash = try #require(ContentHash(Self.digits))
        let other = try #require(ContentHash(Self.digits + "-rmd160"))
        #expect(ObjectID(hash, kind: .chunk) == ObjectID(hash, kind: .file))
        #expect(ObjectID(hash).hashValue == ObjectID(hash, kind: .catalog).hashValue)
        let all: Set = [
            ObjectID(hash), ObjectID(hash, compression: .none), ObjectID(other), ObjectID(hash, kind: .chunk),
        ]
        #expect(all.count == 3)
    }
}
