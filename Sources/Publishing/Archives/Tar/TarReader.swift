internal import Catalog

/// Reads a tar archive from a stream, entry after entry: ustar, pax, GNU's and the old format, sparse files too.
///
/// Names are bytes exactly as the archive has them, whatever the locale. (libarchive's own reader would change names
/// by the locale's character set, for which the reason is in Docs/Decisions.md.) Everything is bounded; what is wrong
/// with the archive is a `PublishingError` with `source`.
package final class TarReader {
    private let stream: DecompressedStream
    private let requiresEndMarker: Bool
    private var input: TarInput
    private var global = PaxRecords()

    // Of the entry that `next` gave last.
    private var segments: ArraySlice<SparseMap.Segment> = []
    private var size: Int64 = 0
    private var position: Int64 = 0
    private var padding = 0
    /// Bytes of holes so far, which cost no bytes of the archive.
    private var holes: Int64 = 0
    private var isAtEnd = false
    private(set) var entries = 0
    private let maximumEntries: Int

    /// - Parameter requiresEndMarker: refuse an archive that ends without the blocks of zeros that must end it, since
    ///   that is how a truncated one looks; `false` where a digest proves that it is whole.
    package convenience init(
        _ source: any ByteStream, bounds: ArchiveBounds = ArchiveBounds(), requiresEndMarker: Bool = true
    ) throws(PublishingError) {
        self.init(
            try DecompressedStream(source, bounds: bounds), bounds: bounds, requiresEndMarker: requiresEndMarker)
    }

    init(_ stream: DecompressedStream, bounds: ArchiveBounds, requiresEndMarker: Bool) {
        self.stream = stream
        self.requiresEndMarker = requiresEndMarker
        maximumEntries = bounds.entries
        input = TarInput(stream)
    }

    package var label: String { stream.label }

    /// Where the content of the current entry begins in the plain bytes of the archive.
    package var contentOffset: Int64 { input.position }

    /// The next entry; `nil` at the end. What was not read of the last one is passed over.
    package func next() throws(PublishingError) -> TarEntry? {
        try finishContent()
        var local = PaxRecords()
        var longPath: [UInt8]?
        var longTarget: [UInt8]?
        var extensions = 0
        while let header = try nextHeader() {
            switch header.type {
            case UInt8(ascii: "x"), UInt8(ascii: "X"), UInt8(ascii: "g"):
                guard let records = PaxRecords(try body(of: header)) else {
                    throw malformed("an extended header is not a list of records")
                }
                if header.type == UInt8(ascii: "g") { global = records.over(global) } else { local = records }
            case UInt8(ascii: "L"): longPath = Array(try body(of: header).prefix { $0 != 0 })
            case UInt8(ascii: "K"): longTarget = Array(try body(of: header).prefix { $0 != 0 })
            case UInt8(ascii: "V"): _ = try body(of: header)
            default:
                return try entry(header, local.over(global), longPath: longPath, longTarget: longTarget)
            }
            extensions += 1
            guard extensions <= ArchiveLimits.extendedHeadersInRow else {
                throw malformed("\(extensions) extended headers stand in a row")
            }
        }
        guard extensions == 0 || local.values.isEmpty && longPath == nil && longTarget == nil else {
            throw malformed("it ends after an extended header")
        }
        isAtEnd = true
        return nil
    }

    /// Puts the next bytes of the current entry's content at the start of a buffer that is not empty: how many, 0 at
    /// the end. Holes of sparse files are zeros.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(PublishingError) -> Int {
        guard position < size else { return 0 }
        let room = Int64(buffer.count)
        if let segment = segments.first, segment.offset <= position {
            let wanted = Int(min(room, segment.offset + segment.size - position))
            let count = try input.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
            guard count > 0 else { throw truncated }
            position += Int64(count)
            if position == segment.offset + segment.size { segments = segments.dropFirst() }
            return count
        }
        let count = min(room, (segments.first?.offset ?? size) - position)
        buffer[..<Int(count)].initializeMemory(as: UInt8.self, repeating: 0)
        position += count
        holes += count
        try stream.check(contentBytes: stream.plainBytes + holes)
        return Int(count)
    }

    /// Reads what follows the archive's end, so that digests over the whole stream can be verified.
    package func finish() throws(PublishingError) { try stream.drainSource() }

    // MARK: Entries

    private func entry(
        _ header: TarHeader, _ records: PaxRecords, longPath: [UInt8]?, longTarget: [UInt8]?
    ) throws(PublishingError) -> TarEntry {
        entries += 1
        guard entries <= maximumEntries else { throw malformed("it has more than \(maximumEntries) entries") }
        let path = records["GNU.sparse.name"] ?? records["path"] ?? longPath ?? header.path
        let name = Self.quoted(path)
        let kind = try kind(of: header, path: path)
        guard path.count <= ArchiveLimits.pathBytes, !path.contains(0) else {
            throw malformed("the path \(name) is longer than \(ArchiveLimits.pathBytes) bytes, or has a NUL")
        }
        let target = kind == .symlink || kind == .hardlink ? records["linkpath"] ?? longTarget ?? header.linkTarget : []
        guard target.count <= ArchiveLimits.pathBytes, !target.contains(0) else {
            throw malformed("the target of \(name) is longer than \(ArchiveLimits.pathBytes) bytes, or has a NUL")
        }
        let stored = try number(records["size"], header.size, "size of \(name)", through: ArchiveLimits.fileBytes)
        var time: (seconds: Int64, nanoseconds: Int32)? = header.mtime.map { ($0, 0) }
        if let text = records["mtime"] { time = PaxRecords.time(text) }
        guard let time else { throw malformed("the time of \(name) is no number") }
        guard let mode = header.mode else { throw malformed("the mode of \(name) is no number") }
        var entry = TarEntry(
            path: path, kind: kind, permissions: UInt32(truncatingIfNeeded: mode) & 0o7777,
            uid: UInt32(try number(records["uid"], header.uid, "owner of \(name)", through: Int64(UInt32.max))),
            gid: UInt32(try number(records["gid"], header.gid, "group of \(name)", through: Int64(UInt32.max))),
            mtime: time.seconds, mtimeNanoseconds: time.nanoseconds, size: 0, target: target, device: nil,
            xattrs: records.xattrs)
        if kind == .character || kind == .block {
            entry.device = DeviceNumber(
                major: UInt32(try number(nil, header.deviceMajor, "device of \(name)", through: Int64(UInt32.max))),
                minor: UInt32(try number(nil, header.deviceMinor, "device of \(name)", through: Int64(UInt32.max))))
        }
        if kind == .file {
            try beginContent(header, records, stored: stored, name: name)
            entry.size = size
        } else if header.type == UInt8(ascii: "D") {
            // GNU's incremental archives list a directory's names here.
            try input.skip(stored)
            padding = Self.padding(after: stored)
        }
        return entry
    }

    private func kind(of header: TarHeader, path: [UInt8]) throws(PublishingError) -> TarEntry.Kind {
        switch header.type {
        case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): path.last == UInt8(ascii: "/") ? .directory : .file
        case UInt8(ascii: "S"): .file
        case UInt8(ascii: "1"): .hardlink
        case UInt8(ascii: "2"): .symlink
        case UInt8(ascii: "3"): .character
        case UInt8(ascii: "4"): .block
        case UInt8(ascii: "5"), UInt8(ascii: "D"): .directory
        case UInt8(ascii: "6"): .fifo
        default:
            throw malformed("\(Self.quoted(path)) is an entry of type \(header.type), which is not known")
        }
    }

    private func number(
        _ text: [UInt8]?, _ field: Int64?, _ what: String, through limit: Int64
    ) throws(PublishingError) -> Int64 {
        let value = if let text { PaxRecords.decimal(text) } else { field }
        guard let value, (0...limit).contains(value) else { throw malformed("the \(what) makes no sense") }
        return value
    }

    // MARK: Content

    private func beginContent(
        _ header: TarHeader, _ records: PaxRecords, stored: Int64, name: String
    ) throws(PublishingError) {
        var numbers: [(offset: Int64, size: Int64)]?
        var (fileSize, data) = (stored, stored)
        if header.type == UInt8(ascii: "S") {
            fileSize = try number(nil, header.number(483..<495), "size of \(name)", through: ArchiveLimits.fileBytes)
            numbers = try oldSparseNumbers(header, name: name)
        } else if let text = records["GNU.sparse.realsize"] ?? records["GNU.sparse.size"] {
            fileSize = try number(text, nil, "size of \(name)", through: ArchiveLimits.fileBytes)
            if records["GNU.sparse.major"] != nil {
                let before = input.position
                numbers = try sparseNumbersInContent(through: stored, name: name)
                data = stored - (input.position - before)
            } else if let map = records["GNU.sparse.map"] {
                numbers = pairs(map.split(separator: UInt8(ascii: ",")).map(Array.init))
            } else {
                numbers = pairs(zip(records.sparseOffsets, records.sparseSizes).flatMap { [$0, $1] })
            }
            guard numbers != nil else { throw malformed("the map of the sparse file \(name) is no list of numbers") }
        }
        guard
            let map = numbers.map({ SparseMap($0, fileSize: fileSize, storedSize: data) })
                ?? SparseMap(wholeFileOf: stored)
        else { throw malformed("the map of the sparse file \(name) contradicts its size") }
        segments = map.segments[...]
        size = fileSize
        position = 0
        padding = Self.padding(after: stored)
    }

    private func pairs(_ texts: [[UInt8]]) -> [(offset: Int64, size: Int64)]? {
        guard texts.count % 2 == 0, texts.count / 2 <= ArchiveLimits.sparseSegments else { return nil }
        var pairs: [(offset: Int64, size: Int64)] = []
        for index in stride(from: 0, to: texts.count, by: 2) {
            guard let offset = PaxRecords.decimal(texts[index]), let size = PaxRecords.decimal(texts[index + 1]) else {
                return nil
            }
            pairs.append((offset, size))
        }
        return pairs
    }

    private func oldSparseNumbers(
        _ header: TarHeader, name: String
    ) throws(PublishingError) -> [(offset: Int64, size: Int64)] {
        guard var numbers = SparseMap.numbers(in: header, from: 386, count: 4) else {
            throw malformed("the map of the sparse file \(name) is no list of numbers")
        }
        var continues = header.bytes[482] != 0
        while continues {
            guard let block = try input.block() else { throw truncated }
            guard let more = SparseMap.numbers(in: TarHeader(unchecked: block), from: 0, count: 21),
                numbers.count + more.count <= ArchiveLimits.sparseSegments
            else { throw malformed("the map of the sparse file \(name) is no list of numbers, or too long") }
            numbers += more
            continues = block[504] != 0
        }
        return numbers
    }

    /// The map of GNU's format 1.0, which stands before the data: lines with numbers, in whole blocks.
    private func sparseNumbersInContent(
        through limit: Int64, name: String
    ) throws(PublishingError) -> [(offset: Int64, size: Int64)]? {
        var texts: [[UInt8]] = []
        var line: [UInt8] = []
        var wanted = 1
        var used: Int64 = 0
        while texts.count < wanted {
            used += Int64(TarHeader.blockSize)
            guard used <= limit else { return nil }
            guard let block = try input.block() else { throw truncated }
            for byte in block where texts.count < wanted {
                if byte != 0x0A {
                    line.append(byte)
                    guard line.count <= 18 else { return nil }
                    continue
                }
                texts.append(line)
                line = []
                guard texts.count == 1 else { continue }
                guard let count = PaxRecords.decimal(texts[0]), count <= Int64(ArchiveLimits.sparseSegments) else {
                    return nil
                }
                wanted = 1 + 2 * Int(count)
            }
        }
        return pairs(Array(texts.dropFirst()))
    }

    private func finishContent() throws(PublishingError) {
        for segment in segments {
            let start = max(segment.offset, position)
            try input.skip(segment.offset + segment.size - start)
        }
        (segments, size, position) = ([], 0, 0)
        try input.skip(Int64(padding))
        padding = 0
    }

    private static func padding(after size: Int64) -> Int {
        let over = Int(size % Int64(TarHeader.blockSize))
        return over == 0 ? 0 : TarHeader.blockSize - over
    }

    // MARK: Headers

    /// `nil` at the archive's end.
    private func nextHeader() throws(PublishingError) -> TarHeader? {
        if isAtEnd { return nil }
        let start = input.position
        guard let block = try input.block() else {
            guard start > 0 else { throw malformed("it is empty") }
            guard !requiresEndMarker else { throw truncated }
            return nil
        }
        if block.allSatisfy({ $0 == 0 }) { return nil }
        guard let header = TarHeader(block) else {
            throw start == 0
                ? PublishingError(.source, "\(label) is not a tar archive")
                : malformed("the header at byte \(start) is damaged")
        }
        return header
    }

    private func body(of header: TarHeader) throws(PublishingError) -> [UInt8] {
        guard let size = header.size, (0...Int64(ArchiveLimits.extendedHeaderBytes)).contains(size) else {
            throw malformed("an extended header has more than \(ArchiveLimits.extendedHeaderBytes) bytes")
        }
        let bytes = try input.bytes(Int(size))
        guard bytes.count == Int(size) else { throw truncated }
        try input.skip(Int64(Self.padding(after: size)))
        return bytes
    }

    private var truncated: PublishingError {
        PublishingError(.source, "\(label) is truncated: it ends after \(input.position) bytes, in the middle")
    }

    private func malformed(_ what: String) -> PublishingError {
        PublishingError(.source, "\(label) is a malformed archive: \(what)")
    }

    /// A path for a message: bounded, without control characters.
    static func quoted(_ path: [UInt8]) -> String {
        let text = String(decoding: path.prefix(200), as: UTF8.self)
        return "\"" + String(text.map { $0.unicodeScalars.allSatisfy { $0.value >= 0x20 } ? $0 : "?" })
            + (path.count > 200 ? "…\"" : "\"")
    }
}

extension TarHeader {
    /// A block that has no checksum.
    init(unchecked bytes: [UInt8]) { self.bytes = bytes }
}
