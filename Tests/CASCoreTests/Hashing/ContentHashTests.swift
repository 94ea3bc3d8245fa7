import CASCore
import FixtureTrees
import Testing

@Suite("Content hashes")
struct ContentHashTests {
    /// Digests of nothing, of `abc` and of a million `a`, as the algorithms' authors and NIST publish them.
    static let vectors: [(HashAlgorithm, String, String, String)] = [
        (
            .sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709", "a9993e364706816aba3e25717850c26c9cd0d89d",
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f"
        ),
        (
            .ripemd160, "9c1185a5c5e9fc54612808977ee8f548b2258d31-rmd160",
            "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc-rmd160", "52783243c1697bdbe16d37f97f68f08325dc1528-rmd160"
        ),
        (
            .shake128, "7f9c2ba4e88f827d616045507605853ed73b8093-shake128",
            "5881092dd818bf5cf8a3ddb793fbcba74097d5c5-shake128", "9d222c79c4ff9d092cf6ca86143aa411e3699738-shake128"
        ),
    ]

    @Test("the published vectors come out", arguments: vectors)
    func published(algorithm: HashAlgorithm, empty: String, abc: String, million: String) {
        let inputs: [([UInt8], String)] = [
            ([], empty), (Array("abc".utf8), abc), (Array(repeating: 0x61, count: 1_000_000), million),
        ]
        for (bytes, expected) in inputs {
            let hash = ContentHash(hashing: bytes.span.bytes, with: algorithm)
            #expect(hash.description == expected)
            #expect(hash.algorithm == algorithm)
        }
    }

    @Test("pieces give the hash of the whole, and a hasher starts afresh", arguments: HashAlgorithm.allCases)
    func pieces(algorithm: HashAlgorithm) {
        var random = SeededGenerator(for: "hash in pieces, \(algorithm.name)")
        var hasher = ContentHasher(algorithm)
        for length in [0, 1, 55, 56, 63, 64, 65, 167, 168, 169, 4096, 100_000] {
            let bytes = random.noise(length)
            for cut in random.cuts(of: length, atMost: 5000) {
                hasher.update(bytes.span.bytes.extracting(cut))
            }
            let found = hasher.finalize()
            let expected = ContentHash(hashing: bytes.span.bytes, with: algorithm)
            #expect(found == expected, "\(length) bytes")
        }
    }

    @Test("the text form is read back, whatever the digits' case", arguments: HashAlgorithm.allCases)
    func text(algorithm: HashAlgorithm) throws {
        var random = SeededGenerator(for: "hash as text, \(algorithm.name)")
        for _ in 0..<200 {
            let digest = random.noise(HashAlgorithm.digestLength)
            let hash = try #require(ContentHash(algorithm: algorithm, digest: digest))
            let digits = digest.map { byte in
                let text = String(byte, radix: 16)
                return text.count == 1 ? "0" + text : text
            }.joined()
            #expect(hash.digest == digest)
            #expect(hash.hexadecimal == digits)
            #expect(hash.description == digits + algorithm.suffix)
            #expect(ContentHash(hash.description) == hash)
            #expect(ContentHash(digits.uppercased() + algorithm.suffix) == hash)
            #expect(ContentHash("<\(hash)>".dropFirst().dropLast()) == hash)
        }
    }

    @Test(
        "what is no hash is refused",
        arguments: [
            "", "da39", "da39a3ee5e6b4b0d3255bfef95601890afd8070", "da39a3ee5e6b4b0d3255bfef95601890afd80709C",
            "da39a3ee5e6b4b0d3255bfef95601890afd8070g", "da39a3ee5e6b4b0d3255bfef95601890afd80709-",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709-rmd16", "da39a3ee5e6b4b0d3255bfef95601890afd80709-RMD160",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709-rmd160P", " a39a3ee5e6b4b0d3255bfef95601890afd80709",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709\n", "da39a3ee5e6b4b0d3255bfef95601890afd8070é",
            "d41d8cd98f00b204e9800998ecf8427e", "-rmd160da39a3ee5e6b4b0d3255bfef95601890afd80709",
        ])
    func malformed(text: String) { #expect(ContentHash(text) == nil) }

    @Test("a digest of another length is refused", arguments: [0, 1, 16, 19, 21, 32])
    func length(count: Int) {
        #expect(ContentHash(algorithm: .sha1, digest: [UInt8](repeating: 0, count: count)) == nil)
    }

    @Test("hashes sort as their texts do")
    func order() {
        var random = SeededGenerator(for: "order of hashes")
        var hashes: [ContentHash] = []
        for _ in 0..<300 {
            // Digests that differ late, and equal ones of different algorithms.
            var digest = [UInt8](repeating: 0, count: HashAlgorithm.digestLength)
            digest[Int.random(in: 0..<20, using: &random)] = UInt8.random(in: 0...255, using: &random)
            hashes += HashAlgorithm.allCases.compactMap { ContentHash(algorithm: $0, digest: digest) }
        }
        #expect(hashes.count == 900)
        #expect(hashes.shuffled(using: &random).sorted().map(\.description) == hashes.map(\.description).sorted())
    }

    @Test("every byte and the algorithm count for equality")
    func equality() throws {
        let zero = [UInt8](repeating: 0, count: HashAlgorithm.digestLength)
        var all = Set(HashAlgorithm.allCases.compactMap { ContentHash(algorithm: $0, digest: zero) })
        for index in zero.indices {
            var digest = zero
            digest[index] = 1
            all.insert(try #require(ContentHash(algorithm: .sha1, digest: digest)))
        }
        #expect(all.count == 23)
    }

    @Test("a hash takes 24 bytes, and so does an object's identity")
    func layout() {
        #expect(MemoryLayout<ContentHash>.stride == 24)
        #expect(MemoryLayout<ObjectID>.stride == 24)
    }
}
