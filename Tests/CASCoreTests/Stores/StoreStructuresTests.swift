import CVMFSTesting
import FixtureTrees
import Testing

@testable import CASCore

@Suite("RecencyList")
struct RecencyListTests {
    @Test("it does what a plain array would")
    func model() {
        var random = SeededGenerator(for: "RecencyList")
        let seed = random.seed
        var list = RecencyList<Int, Int>()
        // The oldest first.
        var model: [(key: Int, value: Int)] = []
        for step in 0..<20_000 {
            let key = Int.random(in: 0..<40, using: &random)
            let position = model.firstIndex { $0.key == key }
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1:
                list.insert(step, for: key)
                if let position { model.remove(at: position) }
                model.append((key, step))
            case 2:
                let expected = position.map { model.remove(at: $0) }
                if let expected { model.append(expected) }
                let used = list.use(key)
                #expect(used == expected?.value, "seed \(seed)")
            case 3:
                let expected = position.map { model.remove(at: $0).value }
                let removed = list.remove(key)
                #expect(removed == expected, "seed \(seed)")
            default:
                // Even values stay, and are passed over.
                let removed = list.removeOldest { value in value.map { $0 % 2 == 1 } == true }
                let oldest = model.firstIndex { $0.value % 2 == 1 }
                let passed = model[..<(oldest ?? model.endIndex)]
                let expected = oldest.map { model[$0].value }
                model.removeFirst(oldest.map { $0 + 1 } ?? model.count)
                model += passed
                #expect(removed == expected, "seed \(seed)")
            }
            #expect(list.count == model.count, "seed \(seed)")
            #expect(list.contains(key) == model.contains { $0.key == key }, "seed \(seed)")
        }
    }
}

@Suite("EvictionSample")
struct EvictionSampleTests {
    @Test("the cut frees what is asked for and no object more")
    func cut() {
        var sample = EvictionSample()
        sample.folders = 256
        for (accessed, charge) in [(30, 4), (10, 8), (20, 4), (40, 16)] as [(Int64, Int64)] {
            sample.add(accessed: accessed, charge: charge, isPinned: false)
        }
        sample.add(accessed: 1, charge: 100, isPinned: true)
        #expect(sample.cut(freeing: 1) == 10)
        #expect(sample.cut(freeing: 8) == 10)
        #expect(sample.cut(freeing: 9) == 20)
        #expect(sample.cut(freeing: 13) == 30)
        #expect(sample.cut(freeing: 32) == 40)
        #expect(sample.cut(freeing: 33) == .max)
        #expect(sample.pinned == 100)
        #expect(sample.count == 5)
        #expect(EvictionSample().cut(freeing: 1) == .max)
        #expect(EvictionSample().pinned == 0)
    }

    @Test("a part stands for the whole")
    func part() {
        var sample = EvictionSample()
        sample.folders = 2
        for accessed in 0..<1000 as Range<Int64> { sample.add(accessed: accessed, charge: 4096, isPinned: false) }
        sample.add(accessed: 1, charge: 4096, isPinned: true)
        // A tenth, and a twentieth of that more.
        #expect(sample.cut(freeing: 4096 * 1000 / 2 * 256 / 10) == 104)
        #expect(sample.pinned == 4096 * 128)
    }
}

@Suite("EvictionPolicy")
struct EvictionPolicyTests {
    private let policy = EvictionPolicy(limit: 1000 << 20, reserve: 100 << 20)

    private func goal(
        _ need: EvictionPolicy.Need, used: Int64, pinned: Int64 = 0, available: Int64? = nil, files: Int64? = nil
    ) -> Int64 {
        policy.bytesToFree(
            for: need, used: used << 20, pinned: pinned << 20, available: available.map { $0 << 20 },
            availableFiles: files) >> 20
    }

    @Test("upkeep begins at nine tenths and ends at eight")
    func upkeep() {
        #expect(goal(.upkeep, used: 900) == 0)
        #expect(goal(.upkeep, used: 901) == 101)
        #expect(goal(.upkeep, used: 1000) == 200)
    }

    @Test("what is pinned leaves the rest of the limit, and a sixteenth at least")
    func pinned() {
        #expect(goal(.upkeep, used: 950, pinned: 500) == 0)
        #expect(goal(.upkeep, used: 951, pinned: 500) == 51)
        #expect(goal(.upkeep, used: 999, pinned: 900) == 19)
        // 62.5 MiB of room above whatever is pinned.
        #expect(goal(.upkeep, used: 2056, pinned: 2000) == 0)
        #expect(goal(.upkeep, used: 2057, pinned: 2000) == 7)
        #expect(policy.limit(pinned: 0) == 1000 << 20)
        #expect(policy.limit(pinned: 900 << 20) == 1000 << 20)
        #expect(policy.limit(pinned: 2000 << 20) == 2000 << 20 + (1000 << 20) / 16)
        #expect(policy.largestObject(pinned: 500 << 20) == 400 << 20)
    }

    @Test("upkeep keeps a reserve on the disk, in bytes and in files")
    func reserve() {
        #expect(goal(.upkeep, used: 500, available: 100) == 0)
        #expect(goal(.upkeep, used: 500, available: 99) == 26)
        #expect(goal(.upkeep, used: 500, available: 0) == 125)
        #expect(goal(.upkeep, used: 1000, available: 99) == 200)
        #expect(goal(.upkeep, used: 480, available: 5000, files: 256) == 0)
        #expect(goal(.upkeep, used: 480, available: 5000, files: 255) == 30)
    }

    @Test("the limit makes room only for what does not fit")
    func limit() {
        #expect(goal(.limit(charge: 100 << 20), used: 900) == 0)
        #expect(goal(.limit(charge: 101 << 20), used: 900) == 100)
        #expect(goal(.limit(charge: 500 << 20), used: 900) == 400)
    }

    @Test("a full disk always asks for something")
    func fullDisk() {
        #expect(goal(.fullDisk, used: 160) == 10)
        #expect(goal(.fullDisk, used: 0) == 1)
        let goal = policy.bytesToFree(for: .fullDisk, used: 0, pinned: 0, available: .max, availableFiles: nil)
        #expect(goal == 1 << 20)
    }

    @Test("without a limit nothing is evicted for its sake")
    func unlimited() {
        let policy = EvictionPolicy(limit: .max, reserve: 0)
        for pinned in [0, 1 << 50] as [Int64] {
            let goal = policy.bytesToFree(
                for: .limit(charge: 1 << 52), used: 1 << 60, pinned: pinned, available: 1, availableFiles: nil)
            #expect(goal == 0)
            #expect(policy.limit(pinned: pinned) == .max)
        }
    }
}

@Suite("PinFile")
struct PinFileTests {
    @Test("a list holds what was put on it, once, and nothing else")
    func contains() throws {
        let samples = (0..<500 as Range<UInt64>).map {
            SampleObject(
                size: 30, seed: $0, algorithm: HashAlgorithm.allCases[Int($0 % 3)],
                compression: $0 % 2 == 0 ? .zlib : .none)
        }
        let pinned = samples.prefix(250).map(\.id)
        let pin = PinFile(name: "an image / of ours", objects: pinned + pinned)
        let read = try #require(PinFile(pin.bytes))
        for list in [pin, read] {
            #expect(list.name == "an image / of ours")
            #expect(list.objects == 250)
            for (number, sample) in samples.enumerated() { #expect(list.contains(sample.id) == (number < 250)) }
            let other = ObjectID(pinned[0].hash, compression: pinned[0].compression == .zlib ? .none : .zlib)
            #expect(!list.contains(other))
        }
        let empty = try #require(PinFile(PinFile(name: "", objects: []).bytes))
        #expect(!empty.contains(pinned[0]))
    }

    @Test("a list with any byte changed, or cut, is none")
    func damage() {
        let whole = PinFile(name: "a", objects: (0..<3 as Range<UInt64>).map { SampleObject(size: 9, seed: $0).id })
            .bytes
        for position in whole.indices {
            var damaged = whole
            damaged[position] ^= 0x10
            #expect(PinFile(damaged) == nil, "byte \(position)")
            #expect(PinFile(Array(whole.prefix(position))) == nil, "cut at \(position)")
        }
        #expect(PinFile(whole + [0]) == nil)
    }
}
