internal import CVMFS

/// What the beginning of a program's file says that the kernel and the dynamic loader will want next.
///
/// Only a hint of what to fetch: what is malformed, or no 64-bit little-endian ELF file, names nothing.
/// Source: System V ABI, object files; execve(2) on scripts.
struct ProgramHead: Sendable, Hashable {
    /// The interpreter of a script or the dynamic loader of a program, with what follows it on a script's first line.
    var interpreter: [[UInt8]] = []
    var isELF = false
    /// Names of shared libraries, without folders mostly.
    var libraries: [[UInt8]] = []
    /// As Debian names the folders of its libraries; `nil` for other machines.
    var architecture: String?

    /// Bounds of what a hostile file may make us read.
    private enum Bound {
        static let firstLine = 256
        static let segments = 128
        static let dynamicBytes = 64 << 10
        static let libraries = 256
        static let nameBytes = 1024
    }

    /// Reads a file's head.
    ///
    /// - Parameter read: gives so many bytes from an offset on; fewer at the end of the file.
    static func of(
        _ read: @escaping (_ count: Int, _ offset: Int64) async throws -> [UInt8]
    ) async throws -> ProgramHead {
        let first = try await read(4096, 0)
        if first.starts(with: [UInt8(ascii: "#"), UInt8(ascii: "!")]) { return script(first) }
        guard first.starts(with: [0x7F, UInt8(ascii: "E"), UInt8(ascii: "L"), UInt8(ascii: "F"), 2, 1]),
            first.count >= 64
        else { return ProgramHead() }
        return try await ELFFile(first, read).head()
    }

    private static func script(_ bytes: [UInt8]) -> ProgramHead {
        let line = bytes.dropFirst(2).prefix(Bound.firstLine).prefix { $0 != UInt8(ascii: "\n") }
        let words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        return ProgramHead(interpreter: words.prefix(2).map(Array.init))
    }

    private struct ELFFile {
        let first: [UInt8]
        let read: (Int, Int64) async throws -> [UInt8]

        init(_ first: [UInt8], _ read: @escaping (Int, Int64) async throws -> [UInt8]) {
            self.first = first
            self.read = read
        }

        private struct Segment {
            let type: UInt64
            let offset: Int64
            let address: UInt64
            let size: UInt64
        }

        func head() async throws -> ProgramHead {
            var head = ProgramHead()
            head.isELF = true
            head.architecture =
                switch number(first, at: 18, bytes: 2) {
                case 62: "x86_64-linux-gnu"
                case 183: "aarch64-linux-gnu"
                case 243: "riscv64-linux-gnu"
                default: nil
                }
            let segments = try await segments()
            if let place = segments.first(where: { $0.type == 3 /* PT_INTERP */ }) {
                let name = try await text(at: place.offset)
                if !name.isEmpty { head.interpreter = [name] }
            }
            guard let place = segments.first(where: { $0.type == 2 /* PT_DYNAMIC */ }) else { return head }
            let table = try await read(Int(min(place.size, UInt64(Bound.dynamicBytes))), place.offset)
            var names: [UInt64] = []
            var strings: Int64?
            for entry in stride(from: 0, to: table.count - 15, by: 16) {
                let value = number(table, at: entry + 8, bytes: 8)
                switch number(table, at: entry, bytes: 8) {
                case 1 /* DT_NEEDED */: if names.count < Bound.libraries { names.append(value) }
                case 5 /* DT_STRTAB */: strings = offset(of: value, in: segments)
                default: break
                }
            }
            guard let strings else { return head }
            for name in names {
                guard let offset = Int64(exactly: name), offset <= Int64.max - strings else { continue }
                let library = try await text(at: strings + offset)
                if !library.isEmpty { head.libraries.append(library) }
            }
            return head
        }

        private func segments() async throws -> [Segment] {
            guard let start = Int64(exactly: number(first, at: 32, bytes: 8)), number(first, at: 54, bytes: 2) == 56
            else { return [] }
            let count = min(Int(number(first, at: 56, bytes: 2)), Bound.segments)
            let table = try await bytes(count * 56, at: start)
            return stride(from: 0, to: table.count - 55, by: 56).compactMap { entry in
                guard let offset = Int64(exactly: number(table, at: entry + 8, bytes: 8)) else { return nil }
                return Segment(
                    type: number(table, at: entry, bytes: 4), offset: offset,
                    address: number(table, at: entry + 16, bytes: 8), size: number(table, at: entry + 32, bytes: 8))
            }
        }

        /// Where in the file an address is.
        private func offset(of address: UInt64, in segments: [Segment]) -> Int64? {
            for segment in segments where segment.type == 1 /* PT_LOAD */ {
                let (distance, isBefore) = address.subtractingReportingOverflow(segment.address)
                guard !isBefore, distance < segment.size, let distance = Int64(exactly: distance) else { continue }
                let (offset, overflow) = segment.offset.addingReportingOverflow(distance)
                if !overflow { return offset }
            }
            return nil
        }

        private func text(at offset: Int64) async throws -> [UInt8] {
            let found = try await bytes(Bound.nameBytes, at: offset)
            let text = found.prefix { $0 != 0 }
            return text.count < found.count ? Array(text) : []
        }

        /// From what was read already, where that has it.
        private func bytes(_ count: Int, at offset: Int64) async throws -> [UInt8] {
            if offset < first.count, count <= first.count - Int(offset) {
                return Array(first[Int(offset)..<(Int(offset) + count)])
            }
            return try await read(count, offset)
        }

        private func number(_ bytes: [UInt8], at offset: Int, bytes count: Int) -> UInt64 {
            guard offset + count <= bytes.count else { return 0 }
            return bytes[offset..<(offset + count)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }
}
