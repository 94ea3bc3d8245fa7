import CASCore
import CPeer
import CVMFS
import SystemPackage

/// Reads of what is cached.
struct ReadFigures {
    private static let pieceBytes = 4096
    private static let reads = 20_000

    let setting: BenchmarkSetting

    func measured() async throws -> [Figure] {
        let scratch = try ScratchFolder()
        let store = try DiskStore(at: FilePath(scratch.path), limit: .gibibytes(2))
        let whole = try await setting.open("files", cache: store).snapshot()
        var largest: Entry?
        for try await entry in whole.walk("/image") where entry.kind == .file && !entry.isChunked {
            if entry.size > largest?.size ?? 0 { largest = entry }
        }
        guard let largest else { throw BenchmarkError("there is no file to read") }
        let file = try await whole.file(largest)
        try await file.load()
        let chunked = try await setting.open("chunked", cache: store).snapshot().file("/large")
        // The chunks that one open file keeps handles of.
        let window = Int64(32 << 20)
        var read: Int64 = 0
        while read < window { read += Int64(try await chunked.read(1 << 20, at: read).count) }
        return [
            try figure("4 KiB of a cached file", file, extent: file.size),
            try chunkedFigure(chunked, extent: window, beside: file),
        ]
    }

    private func figure(_ name: String, _ file: File, extent: Int64) throws -> Figure {
        let offsets = Self.offsets(extent)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 4096)
        defer { buffer.deallocate() }
        let result = try file.withDescriptor { descriptor in
            try compared(rounds: 41) {
                try Self.ours(file, offsets, buffer)
            } _: {
                try Self.peer(descriptor, offsets, buffer)
            }
        }
        return Figure(
            name: name, ours: time(result.ours / Double(Self.reads)),
            peer: "\(time(result.peer / Double(Self.reads))) pread", ratio: result.ratio, target: .atMost(1.2))
    }

    /// Of a chunked file there is no one descriptor, so it stands beside `pread` on another file.
    private func chunkedFigure(_ file: File, extent: Int64, beside other: File) throws -> Figure {
        let offsets = Self.offsets(extent)
        let otherOffsets = Self.offsets(other.size)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 4096)
        defer { buffer.deallocate() }
        let result = try other.withDescriptor { descriptor in
            try compared(rounds: 41) {
                try Self.ours(file, offsets, buffer)
            } _: {
                try Self.peer(descriptor, otherOffsets, buffer)
            }
        }
        return Figure(
            name: "4 KiB of a cached chunked file, at random", ours: time(result.ours / Double(Self.reads)),
            peer: "\(time(result.peer / Double(Self.reads))) pread", ratio: result.ratio, target: .none)
    }

    private static func offsets(_ extent: Int64) -> [Int64] {
        (0..<reads).map { _ in Int64.random(in: 0..<max(1, extent / Int64(pieceBytes))) * Int64(pieceBytes) }
    }

    private static func ours(
        _ file: File, _ offsets: [Int64], _ buffer: UnsafeMutableRawBufferPointer
    ) throws -> Double {
        try seconds {
            for offset in offsets where try file.readCached(into: buffer, at: offset) == nil {
                throw BenchmarkError("\(file.path) is not cached at \(offset)")
            }
        }
    }

    private static func peer(
        _ descriptor: FileDescriptor, _ offsets: [Int64], _ buffer: UnsafeMutableRawBufferPointer
    ) throws -> Double {
        try seconds {
            let sum = peer_read_all(descriptor.rawValue, buffer.baseAddress, buffer.count, offsets, offsets.count)
            if sum < 0 { throw BenchmarkError("pread fails") }
        }
    }
}
