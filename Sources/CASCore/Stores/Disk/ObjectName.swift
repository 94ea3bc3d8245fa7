/// An object's file below the root of a cache, `ab/cdef…`, as a C string without an allocation.
///
/// The reference's layout: two digits, a slash, the other 38, the algorithm's suffix, no kind letter. Content that is
/// stored without compression gets `.none` behind it, since the same stored bytes named as zlib have other content.
/// Source: format 6.2.
struct ObjectName: Sendable {
    /// The longest: `ab/`, 38 digits, `-shake128`, `.none`, NUL.
    private static let capacity = 56
    private static let uncompressedSuffix: StaticString = ".none"

    private let bytes: [56 of UInt8]

    init(_ id: ObjectID, marksUncompressed: Bool = true) {
        var bytes: [56 of UInt8] = .init(repeating: 0)
        var digest: [20 of UInt8] = .init(repeating: 0)
        var digestSpan = digest.mutableSpan
        digestSpan.withUnsafeMutableBytes { id.hash.copyDigest(to: $0) }
        var position = 0
        for index in 0..<HashAlgorithm.digestLength {
            if index == 1 {
                bytes[position] = UInt8(ascii: "/")
                position += 1
            }
            bytes[position] = Self.digit(digest[index] >> 4)
            bytes[position + 1] = Self.digit(digest[index] & 15)
            position += 2
        }
        let suffix = Self.suffix(id.hash.algorithm)
        for index in 0..<suffix.utf8CodeUnitCount { bytes[position + index] = suffix.utf8Start[index] }
        position += suffix.utf8CodeUnitCount
        if marksUncompressed, id.compression == .none {
            let suffix = Self.uncompressedSuffix
            for index in 0..<suffix.utf8CodeUnitCount { bytes[position + index] = suffix.utf8Start[index] }
        }
        self.bytes = bytes
    }

    /// Reads back the name of a file in one of the folders; `nil` for what no object has.
    static func parse(folder: UInt8, name: UnsafePointer<CChar>) -> ObjectID? {
        var digest: [20 of UInt8] = .init(repeating: 0)
        digest[0] = folder
        var position = 0
        for index in 1..<HashAlgorithm.digestLength {
            guard let high = value(name[position]), let low = value(name[position + 1]) else { return nil }
            digest[index] = high << 4 | low
            position += 2
        }
        for algorithm in HashAlgorithm.allCases {
            guard let rest = rest(of: name + position, after: suffix(algorithm)) else { continue }
            let compression: Compression
            if rest.pointee == 0 {
                compression = .zlib
            } else if let end = self.rest(of: rest, after: uncompressedSuffix), end.pointee == 0 {
                compression = .none
            } else {
                continue
            }
            let hash = ContentHash(algorithm: algorithm, digest: digest.span.bytes)
            return hash.map { ObjectID($0, compression: compression) }
        }
        return nil
    }

    /// Which of the 256 folders the object is in.
    var folder: UInt8 { (Self.value(CChar(bytes[0])) ?? 0) << 4 | (Self.value(CChar(bytes[1])) ?? 0) }

    /// The name as a NUL-terminated string.
    func withPointer<Result, Failure: Error>(
        _ body: (UnsafePointer<CChar>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Typed throws do not pass through `Span.withUnsafeBytes` in this compiler.
        var result: Swift.Result<Result, Failure>?
        bytes.span.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) else { return }
            do throws(Failure) { result = .success(try body(start)) } catch { result = .failure(error) }
        }
        guard let result else { fatalError("unreachable: the name is not empty") }
        return try result.get()
    }

    /// A folder's name: two digits, so short that it takes no allocation.
    static func folderName(_ folder: UInt8) -> String {
        String(unsafeUninitializedCapacity: 2) { name in
            name[0] = digit(folder >> 4)
            name[1] = digit(folder & 15)
            return 2
        }
    }

    private static func suffix(_ algorithm: HashAlgorithm) -> StaticString {
        switch algorithm {
        case .sha1: ""
        case .ripemd160: "-rmd160"
        case .shake128: "-shake128"
        }
    }

    private static func rest(of text: UnsafePointer<CChar>, after prefix: StaticString) -> UnsafePointer<CChar>? {
        for index in 0..<prefix.utf8CodeUnitCount where UInt8(bitPattern: text[index]) != prefix.utf8Start[index] {
            return nil
        }
        return text + prefix.utf8CodeUnitCount
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    private static func value(_ digit: CChar) -> UInt8? {
        switch UInt8(bitPattern: digit) {
        case let digit where digit >= UInt8(ascii: "0") && digit <= UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case let digit where digit >= UInt8(ascii: "a") && digit <= UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
