internal import CPlatform
internal import SystemPackage

/// The list of objects that one pin keeps, as its file holds it: sorted, so that asking for an object costs a search.
///
/// `0 "CVPINS01" · 8 length of the name · 16 number of objects · the name · the objects, 22 bytes each (digest,
/// algorithm, compression), ascending · CRC-32 of all before`; numbers little endian, 64 bits but the last.
struct PinFile: Sendable {
    private static let magic: UInt64 = 0x3130_534E_4950_5643
    private static let headerLength = 24
    private static let recordLength = 22
    static let mostNameBytes = 200

    let name: String
    let objects: Int
    let bytes: [UInt8]
    private let firstRecord: Int

    init(name: String, objects: some Sequence<ObjectID>) {
        self.name = name
        let records = Set(objects.map(Self.record)).sorted { $0.lexicographicallyPrecedes($1) }
        self.objects = records.count
        let name = Array(name.utf8)
        firstRecord = Self.headerLength + name.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(firstRecord + records.count * Self.recordLength + 4)
        for number in [Self.magic, UInt64(name.count), UInt64(records.count)] {
            withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
        }
        bytes.append(contentsOf: name)
        for record in records { bytes.append(contentsOf: record) }
        let checksum = Checksum.of(bytes.span.bytes)
        withUnsafeBytes(of: checksum.littleEndian) { bytes.append(contentsOf: $0) }
        self.bytes = bytes
    }

    /// Reads what a file holds; `nil` when it is not whole.
    init?(_ bytes: [UInt8]) {
        let span = bytes.span.bytes
        guard span.byteCount >= Self.headerLength + 4 else { return nil }
        let body = span.extracting(droppingLast: 4)
        let numbers = (0..<3).map {
            UInt64(littleEndian: span.unsafeLoadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self))
        }
        let checksum = span.unsafeLoadUnaligned(fromByteOffset: body.byteCount, as: UInt32.self)
        guard numbers[0] == Self.magic, numbers[1] <= Self.mostNameBytes, numbers[2] <= UInt64(body.byteCount),
            UInt32(littleEndian: checksum) == Checksum.of(body)
        else { return nil }
        firstRecord = Self.headerLength + Int(numbers[1])
        objects = Int(numbers[2])
        guard body.byteCount == firstRecord + objects * Self.recordLength else { return nil }
        name = String(decoding: bytes[Self.headerLength..<firstRecord], as: UTF8.self)
        self.bytes = bytes
    }

    /// Whether an object is on the list.
    func contains(_ id: ObjectID) -> Bool {
        let wanted = Self.record(id)
        var range = 0..<objects
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let start = firstRecord + middle * Self.recordLength
            let found = bytes[start..<start + Self.recordLength]
            if found.elementsEqual(wanted) { return true }
            range = found.lexicographicallyPrecedes(wanted) ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return false
    }

    /// Writes it to a file that has no name yet.
    func write(to file: Int32) -> Int32 {
        bytes.withUnsafeBytes { cplatform_write_at(file, $0.baseAddress, Int64($0.count), 0) }
    }

    /// Reads an open file; `nil` when it is not whole or cannot be read.
    static func read(_ file: Int32) -> PinFile? {
        var status = cplatform_status()
        guard cplatform_status_of(file, &status) >= 0, status.is_regular != 0, status.size <= Limits.pinFileBytes else {
            return nil
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.size)) { buffer, count in
            count = Int(max(0, cplatform_read_at(file, buffer.baseAddress, status.size, 0)))
        }
        return PinFile(bytes)
    }

    private static func record(_ id: ObjectID) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: recordLength) { buffer, count in
            id.hash.copyDigest(to: UnsafeMutableRawBufferPointer(buffer))
            buffer[20] = id.hash.algorithm.rawValue
            buffer[21] = id.compression.rawValue
            count = recordLength
        }
    }
}
