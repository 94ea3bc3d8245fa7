import CVMFSTesting
import Testing

@testable import CASCore

@Suite("ObjectName")
struct ObjectNameTests {
    private func text(_ id: ObjectID, marks: Bool = true) -> String {
        ObjectName(id, marksUncompressed: marks).withPointer { String(cString: $0) }
    }

    @Test("a name is the reference's, with a mark for what is stored uncompressed")
    func names() throws {
        let digits = "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78"
        for (suffix, algorithm) in [("", HashAlgorithm.sha1), ("-rmd160", .ripemd160), ("-shake128", .shake128)] {
            let hash = try #require(ContentHash(digits + suffix))
            #expect(hash.algorithm == algorithm)
            let bare = "e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78" + suffix
            #expect(text(ObjectID(hash)) == bare)
            #expect(text(ObjectID(hash, kind: .catalog)) == bare)
            #expect(text(ObjectID(hash, compression: .none)) == bare + ".none")
            #expect(text(ObjectID(hash, compression: .none), marks: false) == bare)
            #expect(ObjectName(ObjectID(hash)).folder == 0xE8)
        }
    }

    @Test("every name is read back as the object it is of")
    func readsBack() {
        for seed in 0..<2000 as Range<UInt64> {
            let object = SampleObject(
                size: 20, seed: seed, algorithm: HashAlgorithm.allCases[Int(seed % 3)],
                compression: seed % 2 == 0 ? .zlib : .none)
            let name = text(object.id)
            let parsed = ObjectName.parse(folder: ObjectName(object.id).folder, name: String(name.dropFirst(3)))
            #expect(parsed == object.id, "\(name)")
        }
    }

    @Test(
        "what is no object's name is not read",
        arguments: [
            "", "ec", "ec3d88b62ebf526e4e5a4ff6162a3aa48a6b7", "ec3d88b62ebf526e4e5a4ff6162a3aa48a6b788",
            "EC3d88b62ebf526e4e5a4ff6162a3aa48a6b78", "gc3d88b62ebf526e4e5a4ff6162a3aa48a6b78",
            "ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78C", "ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78.non",
            "ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78.nonee", "ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78-rmd",
            "ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78-rmd160x", "ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78.none-rmd160",
        ])
    func refuses(name: String) { #expect(ObjectName.parse(folder: 0xE8, name: name) == nil) }
}

@Suite("CheckRecord")
struct CheckRecordTests {
    private func bytes(_ record: CheckRecord) -> [UInt8] { record.withBytes { Array($0) } }

    @Test("a record comes back as it was")
    func roundTrip() {
        let record = CheckRecord(size: 1 << 40 | 5, checksum: 0xDEAD_BEEF, boot: BootID(first: 7, second: .max))
        let encoded = bytes(record)
        #expect(encoded.count == CheckRecord.byteCount)
        let decoded = CheckRecord(encoded.span.bytes)
        #expect(decoded == record)
    }

    @Test("a record with any bit flipped, or cut, is none")
    func damage() {
        let encoded = bytes(CheckRecord(size: 4096, checksum: 1, boot: .current))
        for bit in 0..<encoded.count * 8 {
            var damaged = encoded
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            let decoded = CheckRecord(damaged.span.bytes)
            #expect(decoded == nil, "bit \(bit)")
        }
        for length in 0..<encoded.count {
            let cut = Array(encoded.prefix(length))
            let decoded = CheckRecord(cut.span.bytes)
            #expect(decoded == nil)
        }
        let longer = encoded + [0]
        let decoded = CheckRecord(longer.span.bytes)
        #expect(decoded == nil)
    }

    @Test("the boot of this system has a name that stays") func boot() {
        #expect(BootID.current == BootID.current)
        #expect(BootID.current != BootID(first: 0, second: 0))
    }
}
