/// The numbers of records by their digests: open addressing, 0 for an empty place, `.max` for one that was left.
///
/// It is made anew from the records by whoever takes a table over.
struct NodeIndex: ~Copyable {
    private static let left = UInt32.max

    private var places: UnsafeMutableBufferPointer<UInt32>
    /// Places that are not empty.
    private var taken = 0

    init() {
        places = .allocate(capacity: 1 << 12)
        places.initialize(repeating: 0)
    }

    deinit { places.deallocate() }

    var size: Int { places.count * MemoryLayout<UInt32>.size }

    /// The record of a digest of which `isIt` holds.
    func find(_ digest: UInt64, in records: NodeRecords, where isIt: (UInt32) -> Bool) -> UInt32? {
        let mask = places.count - 1
        var place = Int(truncatingIfNeeded: digest) & mask
        while places[place] != 0 {
            let slot = places[place]
            if slot != Self.left, Self.digest(of: slot, in: records) == digest, isIt(slot) { return slot }
            place = (place + 1) & mask
        }
        return nil
    }

    mutating func enter(_ slot: UInt32, of records: NodeRecords) {
        if taken >= places.count / 4 * 3 { rebuild(from: records) }
        let mask = places.count - 1
        var place = Int(truncatingIfNeeded: Self.digest(of: slot, in: records)) & mask
        while places[place] != 0, places[place] != Self.left { place = (place + 1) & mask }
        if places[place] == 0 { taken += 1 }
        places[place] = slot
    }

    mutating func leave(_ slot: UInt32, of records: NodeRecords) {
        let mask = places.count - 1
        var place = Int(truncatingIfNeeded: Self.digest(of: slot, in: records)) & mask
        while places[place] != 0 {
            if places[place] == slot {
                // A place before an empty one need not be marked.
                places[place] = places[(place + 1) & mask] == 0 ? 0 : Self.left
                if places[place] == 0 { taken -= 1 }
                return
            }
            place = (place + 1) & mask
        }
    }

    private mutating func rebuild(from records: NodeRecords) {
        let live = places.filter { $0 != 0 && $0 != Self.left }
        var size = places.count
        while live.count * 2 > size { size *= 2 }
        places.deallocate()
        places = .allocate(capacity: size)
        places.initialize(repeating: 0)
        taken = 0
        for slot in live {
            let mask = places.count - 1
            var place = Int(truncatingIfNeeded: Self.digest(of: slot, in: records)) & mask
            while places[place] != 0 { place = (place + 1) & mask }
            places[place] = slot
            taken += 1
        }
    }

    private static func digest(of slot: UInt32, in records: NodeRecords) -> UInt64 {
        records.load(slot, NodeRecords.Offset.digest)
    }
}
