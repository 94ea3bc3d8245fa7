package import CASCore
import Glibc

/// The folder that a server serves: objects below `data/`, a few files beside it.
package struct ObjectFolder: Sendable {
    package let path: String
    package let algorithm: HashAlgorithm

    /// Makes the folder, and what is missing above it.
    package init(_ path: String, algorithm: HashAlgorithm) throws {
        self.path = path
        self.algorithm = algorithm
        for folder in ["\(path)/data/txn"] + (0..<256).map({ "\(path)/data/\(Self.twoDigits($0))" }) {
            try Self.makeFolder(folder)
        }
    }

    // MARK: Objects

    /// Stores content; an object that is there already stays.
    @discardableResult
    package func store(
        _ content: [UInt8], kind: ObjectKind = .file, compression: Compression = .zlib
    ) throws -> ObjectID {
        var writer = try ObjectWriter(self, kind: kind, compression: compression)
        try writer.append(content.span.bytes)
        return try writer.finish()
    }

    /// Stores the content of a file.
    package func store(fileAt source: String, kind: ObjectKind, compression: Compression = .zlib) throws -> ObjectID {
        guard let file = fopen(source, "r") else { throw RepositoryMakerError("cannot read \(source): errno \(errno)") }
        defer { fclose(file) }
        var writer = try ObjectWriter(self, kind: kind, compression: compression)
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            guard count > 0 else { return try writer.finish() }
            try writer.append(piece.span.bytes.extracting(first: count))
        }
    }

    /// Stores bytes as they are under the hash that they have: a zlib stream of one's own making, or no stream at all.
    package func store(raw stored: [UInt8], kind: ObjectKind, compression: Compression = .zlib) throws -> ObjectID {
        let name = ContentHash(hashing: stored.span.bytes, with: algorithm)
        let object = ObjectID(name, kind: kind, compression: compression)
        try write(stored, to: object.serverPath)
        return object
    }

    /// The stored bytes of an object.
    package func stored(_ object: ObjectID) throws -> [UInt8] { try read(object.serverPath) }

    /// Changes an object's stored bytes, and leaves it the name that it had.
    package func damage(_ object: ObjectID, _ change: (inout [UInt8]) throws -> Void) throws {
        var bytes = try stored(object)
        try change(&bytes)
        try write(bytes, to: object.serverPath)
    }

    package func remove(_ object: ObjectID) throws { try remove(object.serverPath) }

    // MARK: Files, by their path below the folder

    package func write(_ bytes: [UInt8], to name: String) throws { try Self.write(bytes, to: "\(path)/\(name)") }

    package func read(_ name: String) throws -> [UInt8] {
        guard let file = fopen("\(path)/\(name)", "r") else {
            throw RepositoryMakerError("cannot read \(path)/\(name): errno \(errno)")
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            guard count > 0 else { return bytes }
            bytes += piece[..<count]
        }
    }

    package func remove(_ name: String) throws {
        guard unlink("\(path)/\(name)") == 0 else {
            throw RepositoryMakerError("cannot remove \(path)/\(name): errno \(errno)")
        }
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "w") else { throw RepositoryMakerError("cannot write \(path): errno \(errno)") }
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, written == bytes.count else {
            throw RepositoryMakerError("cannot write \(path): errno \(errno)")
        }
    }

    private static func makeFolder(_ path: String) throws {
        var parent = ""
        for component in path.split(separator: "/") {
            parent += "/\(component)"
            guard mkdir(parent, 0o755) == 0 || errno == EEXIST else {
                throw RepositoryMakerError("cannot make \(parent): errno \(errno)")
            }
        }
    }

    private static func twoDigits(_ number: Int) -> String {
        let digits = String(number, radix: 16)
        return digits.count < 2 ? "0" + digits : digits
    }
}

/// Why a repository could not be made.
package struct RepositoryMakerError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
