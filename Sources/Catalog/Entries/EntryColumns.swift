internal import CASCore

/// The columns that an entry is read from, by schema, and how. Source: format 3.
final class EntryColumns: Sendable {
    let schema: CatalogSchema
    private let label: String
    /// The key of the entry at the catalog's root, which must be a directory.
    private let rootKey: PathKey

    init(schema: CatalogSchema, label: String, rootKey: PathKey) {
        self.schema = schema
        self.label = label
        self.rootKey = rootKey
    }

    /// The columns' names, in the order of `decode`.
    var sql: String {
        let links = schema.isLegacy ? "1, 0, 0" : "hardlinks, uid, gid"
        let nanoseconds = schema.hasNanoseconds ? "mtimens" : "NULL"
        let xattrs = schema.hasXattrs ? "xattr IS NOT NULL" : "0"
        // SQLite takes memory for every text that it gives out, be it empty.
        let target = "CASE WHEN flags & \(EntryFlags.symlink.rawValue) THEN symlink END"
        return "rowid, mode, flags, size, mtime, \(nanoseconds), \(links), hash, name, \(target), \(xattrs)"
    }

    /// The columns of the row's own key, behind those of `sql`.
    static let keySQL = "md5path_1, md5path_2"
    /// The columns of its parent's key, behind `keySQL`.
    static let parentSQL = "parent_1, parent_2"
    private static let keyColumn: Int32 = 13

    static func rowID(_ row: Statement) -> Int64? { row.integer(0) }

    func decodeWithKey(_ row: Statement) throws(CatalogError) -> CatalogEntry {
        guard let first = row.integer(Self.keyColumn), let second = row.integer(Self.keyColumn + 1) else {
            throw malformed(row, "a key that is no number")
        }
        return try decode(row, key: PathKey(first: first, second: second))
    }

    /// An entry of a listing, which must have a name.
    func decodeListed(_ row: Statement) throws(CatalogError) -> CatalogEntry {
        let entry = try decodeWithKey(row)
        guard !entry.name.bytes.isEmpty else { throw malformed(row, "no name, but a directory above it") }
        return entry
    }

    func parent(_ row: Statement) throws(CatalogError) -> PathKey {
        guard let first = row.integer(Self.keyColumn + 2), let second = row.integer(Self.keyColumn + 3) else {
            throw malformed(row, "a parent's key that is no number")
        }
        return PathKey(first: first, second: second)
    }

    /// - Parameter name: what the entry must be called, if it was found by its path.
    func decode(_ row: Statement, key: PathKey, named name: FileName? = nil) throws(CatalogError) -> CatalogEntry {
        guard let rowID = row.integer(0) else { throw malformed(row, "a row number that is no number") }
        guard let storedMode = row.integer(1), let mode = UInt32(exactly: storedMode), mode <= 0o177777,
            let kind = EntryKind(mode: mode)
        else { throw malformed(row, "a mode that no file has") }
        guard let storedFlags = row.integer(2), let bits = UInt32(exactly: storedFlags) else {
            throw malformed(row, "flags that are no 32-bit number")
        }
        let flags = schema.isLegacy ? EntryFlags(rawValue: bits).intersection(.legacy) : EntryFlags(rawValue: bits)
        guard flags.fit(kind) else { throw malformed(row, "flags \(bits) that do not fit mode \(octal(mode))") }
        guard kind == .directory || key != rootKey else { throw malformed(row, "a root that is no directory") }
        guard let mtime = row.integer(4) else { throw malformed(row, "a time that is no number") }
        let links = UInt64(bitPattern: row.integer(6) ?? 0)
        let linkCount = UInt32(truncatingIfNeeded: links)
        guard linkCount > 0 else { throw malformed(row, "a link count of 0") }
        guard let uid = owner(row.integer(7)), let gid = owner(row.integer(8)) else {
            throw malformed(row, "an owner or group that is no 32-bit number")
        }
        return CatalogEntry(
            name: try self.name(row, key: key, expected: name), mode: mode, uid: uid, gid: gid, mtime: mtime,
            mtimeNanoseconds: try nanoseconds(row), linkCount: linkCount,
            hardlinkGroup: UInt32(truncatingIfNeeded: links >> 32),
            contentHash: try contentHash(row, kind: kind, flags: flags),
            target: kind == .symlink ? try target(row) : [], hasXattrs: row.integer(12) == 1, key: key, rowID: rowID,
            storedSize: kind == .symlink ? 0 : try size(row, of: kind), flags: flags)
    }

    private func name(_ row: Statement, key: PathKey, expected: FileName?) throws(CatalogError) -> FileName {
        if let expected {
            // A row under another file's key would be that file by name, and this one by path.
            guard row.value(10).withText({ expected.equals($0) && isComponent($0) }) == true else {
                throw malformed(row, "another name than that by which it was found, \"\(expected)\"")
            }
            return expected
        }
        let name: [UInt8]?? = row.value(10).withText { isComponent($0) && !$0.contains(Self.slash) ? Array($0) : nil }
        if let bytes = name ?? nil { return FileName(bytes: bytes) }
        guard let text = row.text(10) else { throw malformed(row, "a name that is no text") }
        guard text.isEmpty, key == RepositoryPath.rootKey else { throw malformed(row, "a name that no file can have") }
        return FileName(bytes: [])
    }

    private static let slash = UInt8(ascii: "/")

    /// As `FileName.isValid` of what holds no slash, before there is one.
    private func isComponent(_ bytes: UnsafeRawBufferPointer) -> Bool {
        switch bytes.count {
        case 0: false
        case 1: bytes[0] != UInt8(ascii: ".")
        case 2: bytes[0] != UInt8(ascii: ".") || bytes[1] != UInt8(ascii: ".")
        default: bytes.count <= CatalogLimits.nameBytes
        }
    }

    private func size(_ row: Statement, of kind: EntryKind) throws(CatalogError) -> Int64 {
        guard let size = row.integer(3), size >= 0 else { throw malformed(row, "a size below 0, or none") }
        guard size <= CatalogLimits.fileBytes || kind.isDevice else {
            throw malformed(row, "a size of \(size) bytes, above the limit of \(CatalogLimits.fileBytes)")
        }
        return size
    }

    private func nanoseconds(_ row: Statement) throws(CatalogError) -> Int32? {
        guard let value = row.integer(5) else {
            guard row.isNull(5) else { throw malformed(row, "nanoseconds that are no number") }
            return nil
        }
        guard value < 1_000_000_000 else { throw malformed(row, "\(value) nanoseconds") }
        // The reference takes a number below 0 for none.
        return value < 0 ? nil : Int32(truncatingIfNeeded: value)
    }

    private func target(_ row: Statement) throws(CatalogError) -> [UInt8] {
        guard let target = row.text(11) else { throw malformed(row, "a symlink's target that is no text") }
        guard target.count <= CatalogLimits.targetBytes else {
            throw malformed(row, "a symlink's target of \(target.count) bytes, above \(CatalogLimits.targetBytes)")
        }
        return target
    }

    private func contentHash(
        _ row: Statement, kind: EntryKind, flags: EntryFlags
    ) throws(CatalogError) -> ContentHash? {
        if kind == .file, !schema.isLegacy, flags.compression == nil {
            throw malformed(row, "an unknown compression")
        }
        if row.isNull(9) {
            guard !flags.contains(.chunked) || flags.hashAlgorithm != nil else {
                throw malformed(row, "an unknown hash algorithm")
            }
            return nil
        }
        guard let algorithm = flags.hashAlgorithm else { throw malformed(row, "an unknown hash algorithm") }
        let hash: ContentHash?? =
            row.withBlob(9) {
                // Writers may put an empty blob for "none".
                $0.isEmpty
                    ? .some(nil)
                    : ContentHash(algorithm: algorithm, digest: RawSpan(_unsafeBytes: $0)).map { .some($0) }
            } ?? nil
        guard let hash else { throw malformed(row, "a hash that does not have 20 bytes") }
        return hash
    }

    /// Owners are 32-bit numbers; 32-bit writers have stored the upper half of them below 0.
    private func owner(_ value: Int64?) -> UInt32? {
        guard let value, value >= Int64(Int32.min), value <= Int64(UInt32.max) else { return nil }
        return UInt32(truncatingIfNeeded: value)
    }

    private func malformed(_ row: Statement, _ what: String) -> CatalogError {
        let name = String(decoding: row.text(10) ?? [], as: UTF8.self)
        let number = row.integer(0).map { String($0) } ?? "?"
        return CatalogError(.malformedEntry, "\(label): the entry \"\(name.prefix(255))\" (row \(number)) has \(what)")
    }

    private func octal(_ mode: UInt32) -> String { "0" + String(mode, radix: 8) }
}

extension RepositoryPath {
    /// The key of the repository's root.
    static let rootKey = RepositoryPath.root.key
}
