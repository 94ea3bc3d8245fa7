/// The smallest names of many, in bounded memory.
struct SortedNames: Sendable {
    private struct Record {
        let rowID: Int64
        let offset: UInt32
        let length: UInt32
    }

    private var bytes: [UInt8] = []
    private var records: [Record] = []
    /// What was kept when names were dropped; anything larger than the last of it is dropped too.
    private var ceiling: (name: [UInt8], rowID: Int64)?

    /// Whether no name had to be dropped.
    var isComplete: Bool { ceiling == nil }

    var count: Int { records.count }

    subscript(index: Int) -> (name: [UInt8], rowID: Int64) {
        let record = records[index]
        return (Array(bytes[Int(record.offset)..<Int(record.offset + record.length)]), record.rowID)
    }

    /// - Parameter bound: bytes that may be kept. When they are used up, the larger half of the names is dropped.
    mutating func add(_ name: [UInt8], rowID: Int64, boundedTo bound: Int) {
        if let ceiling {
            guard Self.precedes((name, rowID), ceiling) else { return }
        }
        records.append(Record(rowID: rowID, offset: UInt32(bytes.count), length: UInt32(name.count)))
        bytes.append(contentsOf: name)
        // Two names at least, or the next pass would not come any further.
        guard bytes.count + records.count * MemoryLayout<Record>.stride > bound, records.count > 2 else { return }
        sort()
        records.removeSubrange((records.count / 2)...)
        var kept: [UInt8] = []
        records = records.map { record in
            let start = UInt32(kept.count)
            kept += bytes[Int(record.offset)..<Int(record.offset + record.length)]
            return Record(rowID: record.rowID, offset: start, length: record.length)
        }
        bytes = kept
        ceiling = self[count - 1]
    }

    static func precedes(_ left: (name: [UInt8], rowID: Int64), _ right: (name: [UInt8], rowID: Int64)) -> Bool {
        left.name == right.name ? left.rowID < right.rowID : left.name.lexicographicallyPrecedes(right.name)
    }

    /// By bytes; equal names by their rows.
    mutating func sort() {
        bytes.withUnsafeBytes { bytes in
            records.sort { left, right in
                let common = min(left.length, right.length)
                for index in 0..<Int(common) {
                    let (a, b) = (bytes[Int(left.offset) + index], bytes[Int(right.offset) + index])
                    if a != b { return a < b }
                }
                return (left.length, left.rowID) < (right.length, right.rowID)
            }
        }
    }
}
