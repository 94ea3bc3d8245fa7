internal import CPlatform
internal import SystemPackage

// Where the check record of an object is kept: an extended attribute of its file, or a file of its own under `checks`
// on file systems without attributes.
extension CacheFolder {
    /// The record of an open object; `nil` when there is none or it is not whole.
    func check(of id: ObjectID, file: Int32) -> CheckRecord? {
        if let record = attribute(of: file) { return record }
        // A cache that is only read may have been made with either.
        if isWritable, abilities.contains(.attributes) { return nil }
        let found = try? Self.read(Self.checkName(id), in: descriptor, limit: CheckRecord.byteCount + 1)
        return found.flatMap { CheckRecord($0.span.bytes) }
    }

    /// Writes the record of an object that has no name yet, or has it.
    /// - Returns: 0, or a negated errno.
    func setCheck(_ record: CheckRecord, of id: ObjectID, file: Int32) -> Int32 {
        guard !abilities.contains(.attributes) else {
            return record.withBytes { cplatform_set_attribute(file, Self.attribute, $0.baseAddress, Int32($0.count)) }
        }
        do throws(CASError) {
            for folder in ["checks", "checks/\(ObjectName.folderName(ObjectName(id).folder))"] {
                let made = cplatform_make_folder(descriptor, folder)
                if made < 0 { return made }
            }
            var check = try UnfinishedFile(in: self, place: "txn")
            let written = record.withBytes {
                cplatform_write_at(check.descriptor, $0.baseAddress, Int64($0.count), 0)
            }
            if written < 0 { return written }
            return check.replace(Self.checkName(id))
        } catch { return -(error.errno ?? .ioError).rawValue }
    }

    func removeCheck(_ id: ObjectID) {
        if abilities.contains(.attributes) { return }
        _ = cplatform_remove_file(descriptor, Self.checkName(id))
    }

    /// The objects that have a record in a file of its own.
    func checkFiles(in folder: UInt8) -> [ObjectID] {
        var listing: OpaquePointer?
        let name = "checks/\(ObjectName.folderName(folder))"
        guard cplatform_listing_open(descriptor, name, &listing) >= 0, let listing else { return [] }
        defer { cplatform_listing_close(listing) }
        var found: [ObjectID] = []
        var entry: UnsafePointer<CChar>?
        while cplatform_listing_next(listing, &entry) > 0, let entry {
            if let id = ObjectName.parse(folder: folder, name: entry) { found.append(id) }
        }
        return found
    }

    private func attribute(of file: Int32) -> CheckRecord? {
        withUnsafeTemporaryAllocation(byteCount: CheckRecord.byteCount, alignment: 8) { bytes in
            let length = cplatform_get_attribute(file, Self.attribute, bytes.baseAddress, Int32(bytes.count))
            guard length == CheckRecord.byteCount else { return nil }
            return CheckRecord(RawSpan(_unsafeBytes: UnsafeRawBufferPointer(bytes)))
        }
    }

    private static func checkName(_ id: ObjectID) -> String {
        "checks/" + ObjectName(id).withPointer { String(cString: $0) }
    }
}
