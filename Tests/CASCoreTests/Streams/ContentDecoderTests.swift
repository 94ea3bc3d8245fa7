import CASCore
import CZlib
import FixtureTrees
import Testing

@Suite("Decoding objects")
struct ContentDecoderTests {
    /// Whether objects may be unpacked whole, or are always streamed.
    enum Memory: CaseIterable {
        case plenty, scarce

        var budget: InflateBudget { InflateBudget(bytes: self == .plenty ? 32 << 20 : 0) }
    }

    /// Contents of several lengths that pack well and not at all, each packed and as it is; made once, because a debug
    /// build is slow at it.
    static let samples: [(plain: [UInt8], stored: [UInt8], compression: Compression)] = {
        var random = SeededGenerator(for: "samples of content")
        return [0, 1, 500, 65_536, 200_000].flatMap { length in
            [random.text(length), random.noise(length)].flatMap { plain in
                Compression.allCases.map { (plain, stored(plain, as: $0), $0) }
            }
        }
    }()

    /// The identity that some stored bytes really have.
    static func id(
        of stored: [UInt8], _ algorithm: HashAlgorithm = .sha1, _ compression: Compression = .zlib
    ) -> ObjectID {
        ObjectID(ContentHash(hashing: stored.span.bytes, with: algorithm), compression: compression)
    }

    static func stored(_ plain: [UInt8], as compression: Compression) -> [UInt8] {
        compression == .zlib ? ZlibReference.compress(plain) : plain
    }

    /// Delivers a body; gives the content, or what went wrong.
    static func decode(
        _ body: [UInt8], as id: ObjectID, size: ContentSize, budget: InflateBudget = .shared,
        _ delivery: Delivery = Delivery.all[0], random: inout SeededGenerator
    ) -> Result<[UInt8], CASError> {
        let output = CollectedOutput()
        let decoder = ContentDecoder(id: id, size: size, output: output, budget: budget)
        do {
            try delivery.deliver(body, to: decoder, random: &random)
        } catch {
            #expect(decoder.result == nil)
            guard let error = error as? CASError else {
                Issue.record("not a CASError: \(error)")
                return .failure(CASError(.system, "\(error)"))
            }
            return .failure(error)
        }
        let plain = output.bytes
        #expect(decoder.result?.size == Int64(plain.count))
        #expect(decoder.result?.checksum == UInt32(crc32_z(0, plain, plain.count)))
        #expect(output.restarts == 1)
        return .success(plain)
    }

    @Test("good objects come out whole, however they come in", arguments: Delivery.all, Memory.allCases)
    func good(delivery: Delivery, memory: Memory) throws {
        var random = SeededGenerator(for: "objects \(delivery)")
        let budget = memory.budget
        for (plain, stored, compression) in Self.samples where delivery.pieceBytes != 40 || plain.count < 65_536 {
            let length = Int64(plain.count)
            for algorithm in HashAlgorithm.allCases {
                let id = Self.id(of: stored, algorithm, compression)
                for size in [ContentSize.exactly(length), .atMost(length), .atMost(.max)] {
                    let found = Self.decode(stored, as: id, size: size, budget: budget, delivery, random: &random)
                    expectSame(found.content, plain, "\(algorithm) \(compression) \(length) \(size)")
                }
            }
        }
        #expect(budget.mappedBytes == 0)
    }

    @Test("another size than the catalog's is refused, in both directions", arguments: Delivery.all, Memory.allCases)
    func wrongSize(delivery: Delivery, memory: Memory) throws {
        var random = SeededGenerator(for: "wrong sizes \(delivery)")
        for compression in Compression.allCases {
            for length in [1, 300, 70_000] where delivery.pieceBytes != 40 || length < 65_536 {
                let stored = Self.stored(random.text(length), as: compression)
                let id = Self.id(of: stored, .sha1, compression)
                let real = Int64(length)
                for said in [0, real - 1, real + 1, real * 2, 20_000_000, .max, -1, .min] where said != real {
                    let found = Self.decode(
                        stored, as: id, size: .exactly(said), budget: memory.budget, delivery, random: &random)
                    #expect(found.error?.code == .sizeMismatch, "\(compression) \(length) said \(said)")
                    #expect(found.error?.message.contains(id.description) == true)
                }
                for bound in [0, real - 1] {
                    let found = Self.decode(
                        stored, as: id, size: .atMost(bound), budget: memory.budget, delivery, random: &random)
                    #expect(found.error?.code == .tooLarge, "\(compression) \(length) at most \(bound)")
                }
            }
        }
    }

    @Test("other bytes than the name's are refused", arguments: Delivery.all, Memory.allCases)
    func wrongBytes(delivery: Delivery, memory: Memory) throws {
        var random = SeededGenerator(for: "wrong bytes \(delivery)")
        let plain = random.text(3000)
        for algorithm in HashAlgorithm.allCases {
            for compression in Compression.allCases {
                let id = Self.id(of: Self.stored(plain, as: compression), algorithm, compression)
                // Another object of the same size: nothing but the hash is wrong.
                let other = Self.stored(random.text(3000), as: compression)
                for size in [ContentSize.exactly(3000), .atMost(3000)] {
                    let found = Self.decode(other, as: id, size: size, budget: memory.budget, delivery, random: &random)
                    #expect(found.error?.code == .hashMismatch)
                    #expect(found.error?.message.contains(id.description) == true)
                    #expect(found.error?.message.contains(Self.id(of: other, algorithm).hash.description) == true)
                }
                let nothing = Self.decode(
                    [], as: id, size: .exactly(3000), budget: memory.budget, delivery, random: &random)
                #expect(nothing.error?.code == .hashMismatch)
            }
        }
    }

    @Test("every bit flipped on the way is noticed", arguments: Memory.allCases)
    func flipped(memory: Memory) throws {
        var random = SeededGenerator(for: "flipped bits")
        let plain = random.text(120)
        let budget = memory.budget
        for compression in Compression.allCases {
            let stored = Self.stored(plain, as: compression)
            let id = Self.id(of: stored, .sha1, compression)
            for index in stored.indices {
                for bit in 0..<8 {
                    var damaged = stored
                    damaged[index] ^= 1 << bit
                    for delivery in [Delivery.all[0], Delivery.all[3]] {
                        let found = Self.decode(
                            damaged, as: id, size: .exactly(120), budget: budget, delivery, random: &random)
                        #expect(found.error?.isBadData == true, "byte \(index) bit \(bit) \(delivery)")
                        // Whole objects are not looked at before the hash fits.
                        if memory == .plenty || compression == .none {
                            #expect(found.error?.code == .hashMismatch, "byte \(index) bit \(bit) \(delivery)")
                        }
                    }
                }
            }
        }
    }

    @Test("an object that was published damaged is refused, or has one content whoever unpacks it")
    func publishedDamaged() throws {
        var random = SeededGenerator(for: "objects published damaged")
        let plain = random.text(120)
        let stored = Self.stored(plain, as: .zlib)
        var harmless = 0
        for index in stored.indices {
            for bit in 0..<8 {
                var damaged = stored
                damaged[index] ^= 1 << bit
                let id = Self.id(of: damaged)
                let results = Memory.allCases.flatMap { memory in
                    [Delivery.all[0], Delivery.all[3]].map { delivery in
                        Self.decode(
                            damaged, as: id, size: .exactly(120), budget: memory.budget, delivery, random: &random)
                    }
                }
                // The few bits between the last block and the checksum mean nothing, one library takes codes that
                // the other finds incomplete, and Adler-32 does not tell all short contents apart. So some flips make
                // another valid object, of which all readers must get the same.
                let contents = Set(results.compactMap(\.content))
                #expect(contents.count <= 1, "byte \(index) bit \(bit): \(contents)")
                if !contents.isEmpty { harmless += 1 }
                for error in results.compactMap(\.error) {
                    let isRefused = error.code == .corruptStream || error.code == .sizeMismatch
                    #expect(isRefused, "byte \(index) bit \(bit): \(error)")
                }
            }
        }
        // Most flips are fatal: there are about 800.
        #expect(harmless < 24)
    }

    @Test("an object that was published cut short is refused", arguments: Memory.allCases)
    func publishedTruncated(memory: Memory) throws {
        var random = SeededGenerator(for: "objects published cut short")
        let stored = Self.stored(random.text(400), as: .zlib)
        for length in 0..<stored.count {
            let short = Array(stored[..<length])
            for size in [ContentSize.exactly(400), .atMost(400)] {
                let found = Self.decode(
                    short, as: Self.id(of: short), size: size, budget: memory.budget, random: &random)
                #expect(found.error?.code == .corruptStream, "\(length) bytes, \(size)")
            }
        }
    }

    @Test("an object that was published with bytes behind its end is refused", arguments: Memory.allCases)
    func publishedTrailing(memory: Memory) throws {
        var random = SeededGenerator(for: "objects published too long")
        let stored = Self.stored(random.text(400), as: .zlib)
        for count in [1, 8, 3000] {
            let longer = stored + random.noise(count)
            for delivery in Delivery.all {
                for size in [ContentSize.exactly(400), .atMost(400)] {
                    let found = Self.decode(
                        longer, as: Self.id(of: longer), size: size, budget: memory.budget, delivery, random: &random)
                    #expect(found.error?.code == .corruptStream, "\(count) bytes, \(size), \(delivery)")
                }
            }
        }
    }

    @Test("a bomb goes no further than what was announced", arguments: Delivery.all, Memory.allCases)
    func bomb(delivery: Delivery, memory: Memory) throws {
        var random = SeededGenerator(for: "bomb \(delivery)")
        // The name is right. A GiB of zeros in a MiB is too long already as it is stored, 30 MiB only when unpacked.
        for mebibytes in delivery.pieceBytes == 40 ? [30] : [30, 1024] {
            let bomb = ZlibReference.zeros(mebibytes: mebibytes)
            let id = Self.id(of: bomb)
            for (size, code) in [(ContentSize.exactly(10), CASError.Code.sizeMismatch), (.atMost(10), .tooLarge)] {
                let output = CollectedOutput(capacity: 10)
                let budget = memory.budget
                let decoder = ContentDecoder(id: id, size: size, output: output, budget: budget)
                let error = #expect(throws: CASError.self) { try delivery.deliver(bomb, to: decoder, random: &random) }
                #expect(error?.code == code)
                #expect(output.bytes.count <= 10)
                #expect(budget.mappedBytes < 4 << 20)
            }
        }
    }

    @Test("a body without end that unpacks to nothing is cut off")
    func emptyBlocks() throws {
        // An empty stored block, again and again.
        let block: [UInt8] = [0x00, 0x00, 0x00, 0xFF, 0xFF]
        let blocks = (0..<1000).flatMap { _ in block }
        let id = Self.id(of: [])
        for size in [ContentSize.exactly(10), .atMost(10)] {
            for memory in Memory.allCases {
                let decoder = ContentDecoder(id: id, size: size, output: CollectedOutput(), budget: memory.budget)
                try decoder.restart(expectedLength: nil)
                try decoder.write(([0x78, 0x9C] as [UInt8]).span.bytes)
                var written = 0
                var found: (any Error)?
                while found == nil && written < 100_000_000 {
                    do { try decoder.write(blocks.span.bytes) } catch { found = error }
                    written += blocks.count
                }
                #expect((found as? CASError)?.isBadData == true)
                #expect(written <= Compression.zlib.mostStoredBytes(ofPlain: 10) + Int64(blocks.count))
            }
        }
    }

    @Test("bytes that follow a complete object are refused", arguments: Compression.allCases, Memory.allCases)
    func following(compression: Compression, memory: Memory) throws {
        var random = SeededGenerator(for: "bytes behind an object")
        let stored = Self.stored(random.text(1000), as: compression)
        for size in [ContentSize.exactly(1000), .atMost(5000)] {
            let decoder = ContentDecoder(
                id: Self.id(of: stored, .sha1, compression), size: size, output: CollectedOutput(),
                budget: memory.budget)
            try decoder.restart(expectedLength: stored.count)
            try decoder.write(stored.span.bytes)
            let error = #expect(throws: CASError.self) { try decoder.write(([0] as [UInt8]).span.bytes) }
            #expect(error?.isBadData == true)
        }
    }

    @Test("after a failure another attempt is as good as the first", arguments: Delivery.all, Memory.allCases)
    func again(delivery: Delivery, memory: Memory) throws {
        var random = SeededGenerator(for: "attempts \(delivery)")
        for compression in Compression.allCases {
            let plain = random.text(5000)
            let stored = Self.stored(plain, as: compression)
            let output = CollectedOutput()
            let decoder = ContentDecoder(
                id: Self.id(of: stored, .sha1, compression), size: .exactly(5000), output: output, budget: memory.budget
            )
            for _ in 0..<5 {
                let noise = random.noise(Int.random(in: 0...4000, using: &random))
                #expect(throws: CASError.self) { try delivery.deliver(noise, to: decoder, random: &random) }
                #expect(decoder.result == nil)
                // An attempt that is given up half-way.
                try decoder.restart(expectedLength: nil)
                try decoder.write(stored.span.bytes.extracting(first: stored.count / 2))
                try delivery.deliver(stored, to: decoder, random: &random)
                expectSame(output.bytes, plain)
                #expect(decoder.result?.size == 5000)
            }
        }
    }

    @Test("without a restart nothing is taken, neither at first nor after a failure")
    func closed() throws {
        let stored = Self.stored([1, 2, 3], as: .zlib)
        let output = CollectedOutput()
        let decoder = ContentDecoder(id: Self.id(of: stored), size: .exactly(3), output: output)
        func isRefused(_ body: () throws -> Void) -> Bool {
            do { try body() } catch { return (error as? CASError)?.code == .system }
            return false
        }
        #expect(isRefused { try decoder.write(stored.span.bytes) })
        #expect(isRefused { try decoder.finish() })
        try decoder.restart(expectedLength: nil)
        #expect(throws: CASError.self) { try decoder.finish() }
        #expect(isRefused { try decoder.write(stored.span.bytes) })
        #expect(isRefused { try decoder.finish() })
        try decoder.restart(expectedLength: nil)
        try decoder.write(stored.span.bytes)
        try decoder.finish()
        #expect(isRefused { try decoder.write(stored.span.bytes) })
        #expect(isRefused { try decoder.finish() })
        #expect(output.bytes == [1, 2, 3])
        #expect(decoder.result?.size == 3)
    }

    @Test("what the output throws comes through as it is", arguments: Delivery.all, Memory.allCases)
    func outputError(delivery: Delivery, memory: Memory) throws {
        var random = SeededGenerator(for: "failing outputs \(delivery)")
        for compression in Compression.allCases {
            let stored = Self.stored(random.text(9000), as: compression)
            let decoder = ContentDecoder(
                id: Self.id(of: stored, .sha1, compression), size: .exactly(9000),
                output: CollectedOutput(capacity: 100),
                budget: memory.budget)
            let error = #expect(throws: CASError.self) { try delivery.deliver(stored, to: decoder, random: &random) }
            #expect(error?.code == .noSpace)
            #expect(error?.message == "the output is full")
        }
    }

    @Test("decoders on many threads share a small budget, and none fails or waits")
    func concurrently() async throws {
        let budget = InflateBudget(bytes: 1 << 20, idleBytes: 1 << 19)
        let seed = SeededGenerator(for: "decoders on many threads").seed
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    try await BlockingPool.shared.run {
                        var random = SeededGenerator(seed: seed &+ UInt64(task))
                        for _ in 0..<30 {
                            guard let sample = Self.samples.randomElement(using: &random) else { return }
                            let delivery = Delivery.all.filter { $0.pieceBytes != 40 }.randomElement(using: &random)
                            let found = Self.decode(
                                sample.stored, as: Self.id(of: sample.stored, .sha1, sample.compression),
                                size: .exactly(Int64(sample.plain.count)), budget: budget, delivery ?? Delivery.all[0],
                                random: &random)
                            expectSame(found.content, sample.plain)
                            #expect(budget.mappedBytes <= 1 << 20)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}

extension Result where Success == [UInt8], Failure == CASError {
    var content: [UInt8]? { try? get() }

    var error: CASError? {
        if case .failure(let error) = self { error } else { nil }
    }
}
