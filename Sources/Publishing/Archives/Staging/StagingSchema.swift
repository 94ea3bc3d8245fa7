internal import CASCore
internal import Catalog

/// The tables of a staged tree, like those of a Unix file system: inodes, and the names that lead to them.
enum StagingSchema {
    static let statements = """
        CREATE TABLE inode(id INTEGER PRIMARY KEY, mode INTEGER, uid INTEGER, gid INTEGER, mtime INTEGER,
            mtimens INTEGER, device INTEGER, target BLOB, xattrs BLOB, links INTEGER, size INTEGER, hash BLOB,
            compression INTEGER);
        CREATE TABLE name(parent INTEGER, name BLOB, inode INTEGER, layer INTEGER, PRIMARY KEY(parent, name))
            WITHOUT ROWID;
        CREATE TABLE chunk(inode INTEGER, offset INTEGER, size INTEGER, hash BLOB, PRIMARY KEY(inode, offset))
            WITHOUT ROWID;
        BEGIN;
        """

    /// A hash as 20 bytes and one for its algorithm.
    static func value(_ hash: ContentHash?) -> SQLValue {
        hash.map { .blob($0.digest + [UInt8($0.algorithm.rawValue)]) } ?? .null
    }

    static func hash(_ bytes: [UInt8]) -> ContentHash? {
        guard let last = bytes.last,
            let algorithm = HashAlgorithm.allCases.first(where: { UInt8($0.rawValue) == last })
        else { return nil }
        return ContentHash(algorithm: algorithm, digest: bytes.dropLast())
    }

    /// Extended attributes of any length: of each the lengths as four bytes each, then name and value.
    ///
    /// Those that belong to the machine they come from are left out, as of a directory.
    static func value(_ xattrs: [[UInt8]: [UInt8]]) -> SQLValue {
        let xattrs = xattrs.filter { SourceEntry.keepsXattr($0.key) }
        guard !xattrs.isEmpty else { return .null }
        var bytes: [UInt8] = []
        for (name, value) in xattrs.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            for count in [name.count, value.count] {
                withUnsafeBytes(of: UInt32(count).littleEndian) { bytes.append(contentsOf: $0) }
            }
            bytes += name + value
        }
        return .blob(bytes)
    }

    static func xattrs(_ bytes: [UInt8]) -> [ExtendedAttributes.Attribute] {
        var attributes: [ExtendedAttributes.Attribute] = []
        var rest = bytes[...]
        func count() -> Int {
            defer { rest = rest.dropFirst(4) }
            return rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        while !rest.isEmpty {
            let (nameLength, valueLength) = (count(), count())
            let name = Array(rest.prefix(nameLength))
            rest = rest.dropFirst(nameLength)
            attributes.append(ExtendedAttributes.Attribute(name: name, value: Array(rest.prefix(valueLength))))
            rest = rest.dropFirst(valueLength)
        }
        return attributes
    }
}
