package import CASCore
import Glibc

/// Packs one object, piece by piece, into a scratch file that gets its name at the end.
package struct ObjectWriter: ~Copyable {
    private let folder: ObjectFolder
    private let kind: ObjectKind
    private let compression: Compression
    private let scratch: String
    private let file: UnsafeMutablePointer<FILE>
    private var hasher: ContentHasher
    private var deflater: Deflater
    /// Bytes of content so far.
    package private(set) var plainBytes: Int64 = 0

    package init(_ folder: ObjectFolder, kind: ObjectKind = .file, compression: Compression = .zlib) throws {
        let (scratch, file) = try Self.scratchFile(in: folder)
        deflater = try Deflater()
        hasher = ContentHasher(folder.algorithm)
        self.folder = folder
        self.kind = kind
        self.compression = compression
        self.scratch = scratch
        self.file = file
    }

    private static func scratchFile(in folder: ObjectFolder) throws -> (String, UnsafeMutablePointer<FILE>) {
        var template = Array("\(folder.path)/data/txn/object-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0, let file = fdopen(descriptor, "w") else {
            throw RepositoryMakerError("no scratch file in \(folder.path)/data/txn: errno \(errno)")
        }
        fchmod(descriptor, 0o644)
        return (String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self), file)
    }

    package mutating func append(_ plain: RawSpan) throws {
        plainBytes += Int64(plain.byteCount)
        switch compression {
        case .none: keep(plain)
        case .zlib:
            // The output closure borrows the hasher while the deflater is changed, so they cannot both be `self`.
            let file = file
            var hasher = ContentHasher(folder.algorithm)
            swap(&hasher, &self.hasher)
            defer { swap(&hasher, &self.hasher) }
            try deflater.update(plain) { piece in
                hasher.update(piece)
                piece.withUnsafeBytes { _ = fwrite($0.baseAddress, 1, $0.count, file) }
            }
        }
    }

    package consuming func finish() throws -> ObjectID {
        if compression == .zlib {
            var packed: [UInt8] = []
            try deflater.finish { piece in piece.withUnsafeBytes { packed.append(contentsOf: $0) } }
            keep(packed.span.bytes)
        }
        let isWritten = ferror(file) == 0
        let isClosed = fclose(file) == 0
        guard isWritten, isClosed else { throw RepositoryMakerError("cannot write \(scratch): errno \(errno)") }
        let object = ObjectID(hasher.finalize(), kind: kind, compression: compression)
        guard rename(scratch, "\(folder.path)/\(object.serverPath)") == 0 else {
            throw RepositoryMakerError("cannot name \(object): errno \(errno)")
        }
        return object
    }

    private mutating func keep(_ stored: RawSpan) {
        hasher.update(stored)
        stored.withUnsafeBytes { _ = fwrite($0.baseAddress, 1, $0.count, file) }
    }
}
