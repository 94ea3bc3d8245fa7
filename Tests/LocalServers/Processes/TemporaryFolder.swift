import Glibc

/// A new folder below the system's one for temporary files, gone with its owner.
package struct TemporaryFolder: ~Copyable, Sendable {
    package let path: String

    /// - Parameter isOpen: others may write in it too; a server that gives up its rights needs that.
    package init(_ purpose: String, isOpen: Bool = false) throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/swift-cvmfs-\(purpose)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw LocalServerError("no folder can be made in \(parent): errno \(errno)")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        chmod(path, isOpen ? 0o777 : 0o755)
    }

    deinit { try? runToEnd("/bin/rm", ["-rf", path], log: "/dev/null") }

    /// Writes a file below the folder, and the folders on the way to it.
    @discardableResult
    package func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
        try writeFile(bytes, to: "\(path)/\(name)")
        return "\(path)/\(name)"
    }
}

/// Writes a file anew, making the folders on the way to it.
package func writeFile(_ bytes: some Sequence<UInt8>, to path: String) throws {
    var parent = ""
    for component in path.split(separator: "/").dropLast() {
        parent += "/\(component)"
        mkdir(parent, 0o755)
    }
    let bytes = Array(bytes)
    guard let file = fopen(path, "w") else { throw LocalServerError("\(path) cannot be written: errno \(errno)") }
    let written = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, written == bytes.count else {
        throw LocalServerError("\(path) cannot be written: errno \(errno)")
    }
}

/// The bytes of a file; `nil` when it cannot be opened.
package func readFile(_ path: String) -> [UInt8]? {
    readFile(path.utf8CString.dropLast().map { UInt8(bitPattern: $0) })
}

/// The same for a path that need not be UTF-8.
package func readFile(_ path: [UInt8]) -> [UInt8]? {
    guard let file = fopen(path.map { CChar(bitPattern: $0) } + [0], "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&piece, 1, piece.count, file)
        if count == 0 { return bytes }
        bytes += piece[..<count]
    }
}
