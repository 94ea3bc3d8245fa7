/// Where the data of a sparse file lies; between are holes. Source: GNU tar, storing sparse files.
struct SparseMap {
    struct Segment: Hashable {
        let offset: Int64
        let size: Int64
    }

    /// In order, without overlap, not empty.
    let segments: [Segment]

    /// A file without holes.
    init(wholeFileOf size: Int64) { segments = size == 0 ? [] : [Segment(offset: 0, size: size)] }

    /// - Parameters:
    ///   - fileSize: bytes of the file with its holes.
    ///   - storedSize: bytes of data in the archive.
    /// `nil` when the numbers contradict each other.
    init?(_ numbers: [(offset: Int64, size: Int64)], fileSize: Int64, storedSize: Int64) {
        var segments: [Segment] = []
        var end: Int64 = 0
        var stored: Int64 = 0
        for (offset, size) in numbers {
            // No overflow: each is at least 0, and below `end`, which is at most the file's size.
            guard offset >= end, size >= 0, offset <= fileSize, size <= fileSize - offset else { return nil }
            end = offset + size
            stored += size
            if size > 0 { segments.append(Segment(offset: offset, size: size)) }
        }
        guard stored == storedSize else { return nil }
        self.segments = segments
    }

    /// The numbers in the header of GNU's old format, or in one of the blocks that continue it.
    static func numbers(in header: TarHeader, from start: Int, count: Int) -> [(offset: Int64, size: Int64)]? {
        var numbers: [(offset: Int64, size: Int64)] = []
        for index in 0..<count {
            let place = start + index * 24
            // A field of nothing ends the list.
            guard header.bytes[place] != 0 || header.bytes[place + 12] != 0 else { break }
            guard let offset = header.number(place..<place + 12), let size = header.number(place + 12..<place + 24)
            else { return nil }
            numbers.append((offset, size))
        }
        return numbers
    }
}
