public import CASCore

/// A catalog of many entries, and how to know them without reading it: for benchmarks and for tests of bounds.
public struct LargeCatalog: Sendable {
    /// How the files lie.
    public enum Shape: Sendable, Hashable {
        /// All in the root.
        case oneDirectory
        /// In directories `/d000000`, … of so many each.
        case directories(ofFiles: Int)
    }

    public let shape: Shape
    /// Rows in all, the root and the directories included.
    public let entries: Int
    public let files: Int

    /// - Parameter entries: rows in all.
    public init(entries: Int, shape: Shape = .directories(ofFiles: 1000)) {
        self.shape = shape
        self.entries = entries
        switch shape {
        case .oneDirectory: files = max(0, entries - 1)
        case .directories(let count):
            let rest = max(0, entries - 1)
            let groups = (rest + count) / (count + 1)
            files = rest - groups
        }
    }

    /// The path of a file, by its number below `files`. Numbers are scattered, so that stored order is not name order.
    public func path(ofFile number: Int) -> RepositoryPath {
        let name = Self.name(of: number)
        return switch shape {
        case .oneDirectory: RepositoryPath.root.appending(name)
        case .directories(let count): Self.directory(number / count).appending(name)
        }
    }

    public static func directory(_ number: Int) -> RepositoryPath {
        RepositoryPath.root.appending(FileName("d" + padded(UInt64(number), 6)))
    }

    public static func name(of number: Int) -> FileName {
        // An odd factor makes a permutation of all 32-bit numbers.
        FileName("file-" + padded(UInt64(UInt32(truncatingIfNeeded: number) &* 2_654_435_761), 10) + ".txt")
    }

    public static func size(of number: Int) -> Int64 { Int64(number % 100_000) }

    /// Makes the file: about 3 s for 1 million entries in a release build.
    public func write(to path: String, pageSize: Int = 1024) throws {
        let maker = try CatalogMaker(at: path, pageSize: pageSize)
        try maker.add(.directory(.root))
        let insert =
            "INSERT INTO catalog (md5path_1, md5path_2, parent_1, parent_2, hardlinks, hash, size, mode, mtime, mtimens, "
            + "flags, name, symlink, uid, gid) VALUES (?, ?, ?, ?, 1, ?, ?, 33188, 1700000000, 123456789, 4, ?, '', 0, 0)"
        var parent = RepositoryPath.root
        for number in 0..<files {
            if case .directories(let count) = shape, number % count == 0 {
                parent = Self.directory(number / count)
                try maker.add(.directory(parent))
            }
            let name = Self.name(of: number)
            let (key, above) = (parent.appending(name).key, parent.key)
            let hash = withUnsafeBytes(of: (UInt64(number), key, UInt32(0))) { Array($0.prefix(20)) }
            try maker.database.run(
                insert,
                [
                    .integer(key.first), .integer(key.second), .integer(above.first), .integer(above.second),
                    .blob(hash), .integer(Self.size(of: number)), .text(name.bytes),
                ])
        }
        try maker.finish()
    }

    private static func padded(_ number: UInt64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
