import CASCore
import FixtureTrees
import Testing

@Suite("Unpacking objects in memory")
struct ObjectUnpackingTests {
    @Test("the empty file's object unpacks to nothing, packed or not")
    func empty() throws {
        let packed = ObjectID(try #require(ContentHash("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78")))
        let stored: [UInt8] = [0x78, 0x9C, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01]
        for size in [ContentSize.exactly(0), .atMost(0), .atMost(100)] {
            let plain = try packed.unpack(stored.span.bytes, size: size)
            #expect(plain == [])
        }
        let plainID = ObjectID(
            try #require(ContentHash("da39a3ee5e6b4b0d3255bfef95601890afd80709")), compression: .none)
        let plain = try plainID.unpack([UInt8]().span.bytes, size: .exactly(0))
        #expect(plain == [])
    }

    @Test("no bytes at all are no zlib stream, even under their own name")
    func nothing() throws {
        let id = ObjectID(try #require(ContentHash("da39a3ee5e6b4b0d3255bfef95601890afd80709")))
        let error = #expect(throws: CASError.self) { try id.unpack([UInt8]().span.bytes, size: .exactly(0)) }
        #expect(error?.code == .corruptStream)
    }

    @Test("the same bytes under two compressions have two contents")
    func twoContents() throws {
        let stored = ZlibReference.compress(Array("content".utf8))
        let hash = ContentHash(hashing: stored.span.bytes, with: .sha1)
        let unpacked = try ObjectID(hash).unpack(stored.span.bytes, size: .exactly(7))
        let asIs = try ObjectID(hash, compression: .none).unpack(stored.span.bytes, size: .exactly(Int64(stored.count)))
        #expect(unpacked == Array("content".utf8))
        #expect(asIs == stored)
    }
}
