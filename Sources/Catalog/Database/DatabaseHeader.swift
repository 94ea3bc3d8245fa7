/// The first 100 bytes of an SQLite file, checked before SQLite sees it, so that its troubles have names.
///
/// Source: "Database File Format" of SQLite, 1.3.
enum DatabaseHeader {
    static func check(_ source: some DatabaseSource, named label: String) throws(CatalogError) {
        var header = [UInt8](repeating: 0, count: 100)
        let count: Int
        do {
            count = try header.withUnsafeMutableBytes { try source.read(into: $0, at: 0) }
        } catch {
            throw CatalogError(.io, "\(label) cannot be read", cause: error)
        }
        func number(at offset: Int) -> UInt32 {
            header[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        let magic = Array("SQLite format 3\0".utf8)
        guard header.starts(with: magic.prefix(count)), count > 0 else {
            throw CatalogError(.notADatabase, "\(label) is no SQLite database; fetch it again")
        }
        guard count == header.count else {
            throw CatalogError(.truncated, "\(label) has \(count) bytes, less than a header; fetch it again")
        }
        // A page of 65536 bytes is written as 1, the only value that does not fit 16 bits.
        let stored = Int64(header[16]) << 8 | Int64(header[17])
        let page = stored == 1 ? 65536 : stored
        guard page >= 512, page & (page - 1) == 0, header[21...23].elementsEqual([64, 32, 32]) else {
            throw CatalogError(.corrupt, "\(label) has a broken SQLite header; fetch it again")
        }
        guard header[18] <= 1, header[19] <= 1 else {
            throw CatalogError(
                .unsupportedSchema, "\(label) is in SQLite's WAL mode; a published file must stand alone")
        }
        guard number(at: 56) <= 1 else {
            throw CatalogError(.unsupportedSchema, "\(label) is not in UTF-8; catalogs are")
        }
        // SQLite before 3.7 did not keep the page count: then the version that wrote it differs from the change counter.
        let pages = Int64(number(at: 28))
        let isCounted = pages > 0 && number(at: 24) == number(at: 92)
        guard source.size % page == 0, !isCounted || source.size / page >= pages else {
            throw CatalogError(
                .truncated,
                "\(label) has \(source.size) bytes instead of \(isCounted ? pages : source.size / page + 1) pages of "
                    + "\(page); fetch it again")
        }
    }
}
