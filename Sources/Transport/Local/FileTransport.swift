public import CASCore
public import SystemPackage

/// Reads a repository from a folder, as `file://` names it.
///
/// Only regular files below the folder are served: a path cannot name its parent. Symlinks are followed wherever they
/// lead, for repositories hold some (`.cvmfsalt-…`), and whoever can write one can write the objects too.
public struct FileTransport: ObjectTransport {
    private let root: FilePath
    private let source: String

    /// - Parameter root: the folder that holds `.cvmfspublished`.
    public init(at root: FilePath) {
        self.root = root
        source = "file://\(root)"
    }

    /// - Parameter server: a URL of `file`.
    /// - Throws: `TransportError` with code `invalidConfiguration` for any other URL.
    public init(_ server: ServerURL) throws(TransportError) {
        guard server.scheme == .file, let bytes = ResourcePath.unescaped(server.path.utf8), !bytes.contains(0),
            !bytes.isEmpty
        else { throw TransportError(.invalidConfiguration, "\(server) does not name a folder") }
        root = FilePath(platformString: Self.platformString(bytes))
        source = server.description
    }

    /// As every transport does. Reading and the sink's work go on in the blocking pool.
    public func fetch(_ request: TransferRequest, into sink: some ByteSink) async throws -> TransferReceipt {
        try Task.checkCancellation()
        try RequestedRange.check(request)
        var path = root
        for component in try ResourcePath.components(of: request.path) {
            guard let component = FilePath.Component(platformString: Self.platformString(component)) else { continue }
            path.append(component)
        }
        return try await withTaskExecutorPreference(BlockingPool.shared) { [path] in
            try await stream(request, from: path, into: sink)
        }
    }

    private static func platformString(_ bytes: [UInt8]) -> [CInterop.PlatformChar] {
        bytes.map { CInterop.PlatformChar(bitPattern: $0) } + [0]
    }

    // Being @concurrent it runs on the executor that the task prefers, which is the pool.
    @concurrent private func stream(
        _ request: TransferRequest, from path: FilePath, into sink: some ByteSink
    ) async throws -> TransferReceipt {
        let file = try RegularFile(at: path, name: "\(source)/\(request.path)")
        let range = try RequestedRange.resolved(request, size: file.size, source: source)
        let length = range.upperBound - range.lowerBound
        guard length <= request.limit else {
            throw TransportError(
                .tooLong, "\(source)/\(request.path) is longer than the \(request.limit) bytes that are allowed")
        }
        try sink.restart(expectedLength: Int(exactly: length))
        var offset = range.lowerBound
        // One byte more than is left, so that an empty file needs a buffer too.
        var buffer = [UInt8](repeating: 0, count: Int(min(length + 1, Int64(TransportLimits.pieceBytes))))
        while offset < range.upperBound {
            try Task.checkCancellation()
            let count = try file.read(
                into: &buffer, count: Int(min(range.upperBound - offset, Int64(buffer.count))), at: offset)
            guard count > 0 else {
                throw TransportError(
                    .incompleteTransfer, "\(source)/\(request.path) became shorter while it was read")
            }
            try sink.write(buffer.span.bytes.extracting(first: count))
            offset += Int64(count)
        }
        try sink.finish()
        return TransferReceipt(source: source, bytes: length, requests: 1)
    }
}

/// An open file that is nothing else than a file.
private struct RegularFile: ~Copyable {
    let size: Int64
    private let descriptor: FileDescriptor
    private let name: String

    init(at path: FilePath, name: String) throws(TransportError) {
        (descriptor, size) = try Self.open(path, name: name)
        self.name = name
    }

    private static func open(_ path: FilePath, name: String) throws(TransportError) -> (FileDescriptor, Int64) {
        do {
            // Without `nonBlocking`, opening a fifo would wait for somebody to write into it.
            let descriptor = try FileDescriptor.open(path, .readOnly, options: [.nonBlocking, .closeOnExec])
            do {
                let status = try Stat(descriptor)
                if status.type == .regular { return (descriptor, Int64(status.size)) }
            } catch {
                try? descriptor.close()
                throw error
            }
            try descriptor.close()
        } catch {
            throw Self.error(error, name: name)
        }
        throw TransportError(.notFound, "\(name) is not a regular file")
    }

    deinit { try? descriptor.close() }

    func read(into buffer: inout [UInt8], count: Int, at offset: Int64) throws(TransportError) -> Int {
        do {
            return try buffer.withUnsafeMutableBytes {
                try descriptor.read(
                    fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<count]))
            }
        } catch {
            throw Self.error(error, name: name)
        }
    }

    private static func error(_ error: any Error, name: String) -> TransportError {
        switch error as? Errno {
        case .noSuchFileOrDirectory?, .notDirectory?, .fileNameTooLong?, .isDirectory?:
            TransportError(.notFound, "\(name) does not exist", status: 404, cause: error)
        case .permissionDenied?:
            TransportError(.serverStatus, "\(name) may not be read", status: 403, cause: error)
        default:
            TransportError(.other, "\(name) cannot be read: \(error)", cause: error)
        }
    }
}
