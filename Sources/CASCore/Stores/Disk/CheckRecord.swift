internal import CPlatform

/// What is kept beside an object's file to tell whether it is whole: the name is the hash of the stored bytes, which
/// says nothing of the plain content.
///
/// Objects are not synchronised when they are written, so after a power failure a file may be short or hold zeros. The
/// record names the run of the system (the boot) in which the file was known to be good; in another run the file is
/// read once against its checksum before it is used, and then marked with the new run.
struct CheckRecord: Sendable, Hashable {
    /// 0 version · 1 zeros · 4 size · 12 CRC-32 of the content · 16 boot · 32 CRC-32 of all before; little endian.
    static let byteCount = 36
    private static let version: UInt8 = 1

    let size: Int64
    let checksum: UInt32
    let boot: BootID

    init(size: Int64, checksum: UInt32, boot: BootID) {
        self.size = size
        self.checksum = checksum
        self.boot = boot
    }

    /// Reads a record; `nil` when it is not whole, or of another version.
    init?(_ bytes: RawSpan) {
        guard bytes.byteCount == Self.byteCount, bytes.unsafeLoadUnaligned(as: UInt8.self) == Self.version,
            Checksum.of(bytes.extracting(first: 32)) == Self.load(bytes, 32, UInt32.self)
        else { return nil }
        size = Self.load(bytes, 4, Int64.self)
        checksum = Self.load(bytes, 12, UInt32.self)
        boot = BootID(first: Self.load(bytes, 16, UInt64.self), second: Self.load(bytes, 24, UInt64.self))
    }

    /// Calls `body` with the record's bytes.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: 8) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            bytes.storeBytes(of: Self.version, as: UInt8.self)
            bytes.storeBytes(of: size.littleEndian, toByteOffset: 4, as: Int64.self)
            bytes.storeBytes(of: checksum.littleEndian, toByteOffset: 12, as: UInt32.self)
            bytes.storeBytes(of: boot.first.littleEndian, toByteOffset: 16, as: UInt64.self)
            bytes.storeBytes(of: boot.second.littleEndian, toByteOffset: 24, as: UInt64.self)
            let end = Checksum.of(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(bytes)).extracting(first: 32))
            bytes.storeBytes(of: end.littleEndian, toByteOffset: 32, as: UInt32.self)
            return body(UnsafeRawBufferPointer(bytes))
        }
    }

    private static func load<Number: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: RawSpan, _ offset: Int, _ type: Number.Type
    ) -> Number {
        Number(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }
}

/// One run of the operating system, from its start to its end.
package struct BootID: Sendable, Hashable {
    let first: UInt64
    let second: UInt64

    package init(first: UInt64, second: UInt64) {
        self.first = first
        self.second = second
    }

    /// The run that this process is in. Where the system does not tell, a value that no other process has: every
    /// object is then checked once by every process.
    package static let current: BootID = {
        var bytes: [16 of UInt8] = .init(repeating: 0)
        var span = bytes.mutableSpan
        let isKnown = span.withUnsafeMutableBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return false }
            return cplatform_boot_id(start) == 0
        }
        guard isKnown else { return BootID(first: .random(in: 1 ... .max), second: .random(in: 1 ... .max)) }
        let known = bytes.span.bytes
        return BootID(
            first: known.unsafeLoadUnaligned(as: UInt64.self),
            second: known.unsafeLoadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }()
}
