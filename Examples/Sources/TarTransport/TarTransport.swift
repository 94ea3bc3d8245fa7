import CVMFS

/// A back end of one's own: a repository in one tar file, as `tar -C FOLDER -cf FILE .` packs it.
///
/// A transport has one requirement, `fetch`. Everything else is put around it: verifying, caching, retries, the single
/// flight for many who want the same. So there is nothing about hashes or trust in here.
final class TarTransport: ObjectTransport {
    private let file: FileDescriptor
    private let source: String
    /// Where each member's content is in the file.
    private let members: [String: Range<Int64>]

    init(at path: FilePath) throws {
        file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        source = "tar://\(path)"
        members = try TarIndex.members(of: file)
    }

    deinit { try? file.close() }

    func fetch(_ request: TransferRequest, into sink: some ByteSink) async throws -> TransferReceipt {
        try Task.checkCancellation()
        guard let member = members[request.path] else {
            throw TransportError(.notFound, "\(source) has no \(request.path)", status: 404)
        }
        let range = try Self.part(of: member, for: request)
        guard Int64(range.count) <= request.limit else {
            throw TransportError(.tooLong, "\(request.path) in \(source) is longer than \(request.limit) bytes")
        }
        // Disk and sink may block, which the threads of Swift's concurrency must not.
        return try await BlockingPool.shared.run { [self] in
            try sink.restart(expectedLength: range.count)
            var buffer = [UInt8](repeating: 0, count: min(max(range.count, 1), 256 << 10))
            var position = range.lowerBound
            while position < range.upperBound {
                try Task.checkCancellation()
                let wanted = Int(min(range.upperBound - position, Int64(buffer.count)))
                let count = try buffer.withUnsafeMutableBytes {
                    try file.read(fromAbsoluteOffset: position, into: .init(rebasing: $0[..<wanted]))
                }
                guard count > 0 else { throw TransportError(.incompleteTransfer, "\(source) became shorter") }
                try sink.write(buffer.span.bytes.extracting(first: count))
                position += Int64(count)
            }
            try sink.finish()
            return TransferReceipt(source: source, bytes: Int64(range.count), requests: 1)
        }
    }

    /// A request may want some bytes only: then the range begins inside the member, and ends with it at the latest.
    private static func part(of member: Range<Int64>, for request: TransferRequest) throws -> Range<Int64> {
        guard let wanted = request.range else { return member }
        guard wanted.lowerBound >= 0 else { throw TransportError(.invalidConfiguration, "a negative range") }
        guard !wanted.isEmpty else { return member.lowerBound..<member.lowerBound }
        guard wanted.lowerBound < member.count else {
            throw TransportError(.serverStatus, "\(request.path) ends before \(wanted.lowerBound)", status: 416)
        }
        let end = min(wanted.upperBound, Int64(member.count))
        return (member.lowerBound + wanted.lowerBound)..<(member.lowerBound + end)
    }
}

/// Reads the headers of a tar file (ustar), 512 bytes each.
enum TarIndex {
    static func members(of file: FileDescriptor) throws -> [String: Range<Int64>] {
        var members: [String: Range<Int64>] = [:]
        var header = [UInt8](repeating: 0, count: 512)
        var position: Int64 = 0
        let end = try file.seek(offset: 0, from: .end)
        while position + 512 <= end {
            let count = try header.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: position, into: $0) }
            guard count == 512, header[0] != 0 else { break }
            guard let size = Int64(text(header[124..<136]), radix: 8), size >= 0, size <= end - position - 512 else {
                throw TransportError(.other, "the tar file is malformed at byte \(position)")
            }
            let prefix = text(header[345..<500])
            var name = (prefix.isEmpty ? "" : prefix + "/") + text(header[..<100])
            if name.hasPrefix("./") { name.removeFirst(2) }
            let isFile = header[156] == UInt8(ascii: "0") || header[156] == 0
            if isFile { members[name] = (position + 512)..<(position + 512 + size) }
            position += 512 + (size + 511) / 512 * 512
        }
        return members
    }

    private static func text(_ field: ArraySlice<UInt8>) -> String {
        String(decoding: field.prefix { $0 != 0 && $0 != UInt8(ascii: " ") }, as: UTF8.self)
    }
}
