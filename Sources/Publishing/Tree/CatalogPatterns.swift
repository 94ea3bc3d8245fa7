internal import CASCore
internal import Catalog

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The patterns of `.cvmfsdirtab`: which directories are to begin a nested catalog. Source: format 7.3.
struct CatalogPatterns {
    /// Components of an absolute path, each as the system's `fnmatch` takes it.
    let positive: [[FileName]]
    /// Whole paths that do not count.
    let negative: [[UInt8]]

    /// - Throws: `source` when a line makes no sense.
    init(_ content: [UInt8]) throws(PublishingError) {
        var positive: [[FileName]] = []
        var negative: [[UInt8]] = []
        var seen: [[UInt8]: Bool] = [:]
        for line in content.split(separator: UInt8(ascii: "\n")) {
            var pattern = Self.trimmed(line)
            guard let first = pattern.first, first != UInt8(ascii: "#") else { continue }
            let isNegative = first == UInt8(ascii: "!")
            if isNegative { pattern = Self.trimmed(pattern.dropFirst()) }
            try Self.check(pattern, isNegative: isNegative)
            if let before = seen.updateValue(isNegative, forKey: Array(pattern)), before != isNegative {
                throw Self.malformed(pattern, "is both wanted and excluded")
            }
            if isNegative {
                negative.append(Self.literalBrackets(pattern))
            } else {
                positive.append(pattern.split(separator: UInt8(ascii: "/")).map { FileName(bytes: Array($0)) })
            }
        }
        self.positive = positive
        self.negative = negative
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == 13 }
        var line = line.drop(while: isBlank)
        while let last = line.last, isBlank(last) { line.removeLast() }
        return line
    }

    private static func check(_ pattern: ArraySlice<UInt8>, isNegative: Bool) throws(PublishingError) {
        guard isNegative || pattern.first == UInt8(ascii: "/") else { throw malformed(pattern, "is not absolute") }
        guard !pattern.isEmpty else { throw malformed(pattern, "is empty") }
        var index = pattern.startIndex
        while index < pattern.endIndex {
            if pattern[index] == UInt8(ascii: "\\") {
                index += 1
                guard index < pattern.endIndex, "*?\\".utf8.contains(pattern[index]) else {
                    throw malformed(pattern, "has a backslash before something else than *, ? or \\")
                }
            }
            index += 1
        }
    }

    /// In exclusions brackets stand for themselves.
    private static func literalBrackets(_ pattern: ArraySlice<UInt8>) -> [UInt8] {
        pattern.flatMap { $0 == UInt8(ascii: "[") ? [UInt8(ascii: "\\"), $0] : [$0] }
    }

    private static func malformed(_ pattern: ArraySlice<UInt8>, _ what: String) -> PublishingError {
        PublishingError(
            .source,
            "/\(NestedMarker.patterns): the pattern \"\(String(decoding: pattern.prefix(255), as: UTF8.self))\" \(what)"
        )
    }

    static func matches(_ name: [UInt8], _ pattern: [UInt8]) -> Bool {
        FileName(bytes: name).withCString { name in
            FileName(bytes: pattern).withCString { fnmatch($0, name, 0) == 0 }
        }
    }

    func excludes(_ path: RepositoryPath) -> Bool { negative.contains { Self.matches(path.bytes, $0) } }
}

extension WritableTree {
    /// Gives every directory that a pattern matches a nested catalog of its own, unless it has one.
    ///
    /// - Returns: the patterns that match nothing.
    func nest(_ patterns: CatalogPatterns, empty: StoredContent) throws -> [String] {
        var unmatched: [String] = []
        for pattern in patterns.positive {
            var paths: [RepositoryPath] = [.root]
            for name in pattern { paths = try paths.flatMap { try subdirectories(of: $0, matching: name) } }
            paths.removeAll { $0.isRoot || patterns.excludes($0) }
            if paths.isEmpty { unmatched.append("/" + pattern.map(\.description).joined(separator: "/")) }
            for path in paths where try !isNestedRoot(path) { try nestUnasked(path, automatic: false, empty: empty) }
        }
        return unmatched
    }

    private func subdirectories(
        of directory: RepositoryPath, matching pattern: FileName
    ) throws -> [RepositoryPath] {
        let catalog = try reader(try catalog(ofContent: directory))
        var found: [RepositoryPath] = []
        var rows = try catalog.rows(in: directory)
        while let (name, record) = try rows.next() {
            // A hidden directory is the repository's own, as is /.cvmfs.
            guard record.isDirectory, record.role != .bindMountpoint, !record.isHidden,
                CatalogPatterns.matches(name.bytes, pattern.bytes)
            else { continue }
            found.append(directory.appending(name))
        }
        return found
    }
}
