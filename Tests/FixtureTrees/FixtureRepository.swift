public import CASCore
public import Foundation

/// A repository as a server has it, with what is known of the tree that was published.
public struct FixtureRepository: Sendable, CustomStringConvertible {
    /// The fully qualified name, `tiny.example.org`.
    public let name: String
    /// The folder that holds `.cvmfspublished` and `data`.
    public let folder: URL
    /// The listing of the source tree, one JSON object a line.
    public let listingFile: URL
    /// The master public key.
    public let keyFile: URL
    public let hashAlgorithm: HashAlgorithm

    init(name: String, set: URL, hashAlgorithm: HashAlgorithm) {
        self.name = name
        folder = set.appending(path: name, directoryHint: .isDirectory)
        listingFile = set.appending(path: "\(name).tree.jsonl")
        keyFile = set.appending(path: "keys/\(name).pub")
        self.hashAlgorithm = hashAlgorithm
    }

    /// What the files of the tree are stored as; catalogs and the like are always zlib.
    public var fileCompression: Compression { name.contains("plain") ? .none : .zlib }

    public var description: String { name }

    /// Every entry of the source tree, in the listing's order: depth first, the root first.
    public func entries() throws -> [FixtureEntry] {
        let decoder = JSONDecoder()
        return try Data(contentsOf: listingFile).split(separator: UInt8(ascii: "\n")).map { line in
            try decoder.decode(FixtureEntry.self, from: Data(line))
        }
    }

    /// The bytes of a file of the repository: `.cvmfspublished`, `data/ab/…`.
    public func bytes(_ path: String) throws -> [UInt8] { try Array(Data(contentsOf: folder.appending(path: path))) }

    /// The paths of all objects below the repository's folder, sorted: `data/ab/…`.
    public func objectPaths() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.appending(path: "data").path)
            .filter { $0.contains("/") && !$0.hasPrefix("txn") }.sorted().map { "data/\($0)" }
    }

    /// The fields of the manifest by their letter, unverified.
    public func manifest() throws -> [Character: String] {
        var fields: [Character: String] = [:]
        for line in try bytes(".cvmfspublished").split(separator: UInt8(ascii: "\n")) {
            let text = String(decoding: line, as: UTF8.self)
            if text == "--" { break }
            if let key = text.first { fields[key] = String(text.dropFirst()) }
        }
        return fields
    }
}
