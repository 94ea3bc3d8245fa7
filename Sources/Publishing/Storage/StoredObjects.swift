package import CASCore
internal import CPlatform
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// An object's file in a storage folder.
package struct StoredFile: Sendable, Hashable {
    /// Hash and kind; how it is compressed the name does not say.
    package let object: ObjectID
    /// Bytes as stored.
    package let size: Int64
    /// When it was stored or last renewed, in nanoseconds since 1970.
    package let modified: Int64
}

extension LocalStorage {
    /// The objects in one of the 256 folders, unsorted. Other files are nobody's business.
    package func objects(inFolder number: UInt8) throws(PublishingError) -> [StoredFile] {
        let name = "data/\(Self.folderName(number))"
        var files: [StoredFile] = []
        try forEachEntry(of: name) { entry, _ throws(PublishingError) in
            guard let object = ObjectID(serverPath: "\(name)/\(entry)") else { return }
            var status = stat()
            guard fstatat(folder, "\(name)/\(entry)", &status, AT_SYMLINK_NOFOLLOW) == 0,
                status.st_mode & S_IFMT == S_IFREG
            else { return }
            files.append(StoredFile(object: object, size: Int64(status.st_size), modified: status.modified))
        }
        return files
    }

    /// The names of the objects in one of the 256 folders, unsorted. Nothing is asked of each, so it is cheap.
    package func names(inFolder number: UInt8) throws(PublishingError) -> [ObjectID] {
        let name = "data/\(Self.folderName(number))"
        var objects: [ObjectID] = []
        try forEachEntry(of: name) { entry, isRegular throws(PublishingError) in
            guard isRegular != false, let object = ObjectID(serverPath: "\(name)/\(entry)") else { return }
            if isRegular == nil, try size(of: object) == nil { return }
            objects.append(object)
        }
        return objects
    }

    /// Lists a folder below the storage's, of which there need not be any.
    ///
    /// - Parameter body: gets each name, and whether it is a regular file: `nil` when the file system does not say.
    private func forEachEntry(
        of name: String, _ body: (_ entry: String, _ isRegular: Bool?) throws(PublishingError) -> Void
    ) throws(PublishingError) {
        var listing: OpaquePointer?
        let opened = cplatform_listing_open(folder, name, &listing)
        if opened == -ENOENT { return }
        guard opened >= 0, let listing else { throw failure(opened, name, "cannot be listed") }
        defer { cplatform_listing_close(listing) }
        while true {
            var entry: UnsafePointer<CChar>?
            var isRegular: Int32 = 0
            let result = cplatform_listing_next_kind(listing, &entry, &isRegular)
            guard result >= 0 else { throw failure(result, name, "cannot be listed") }
            guard result > 0, let entry else { return }
            try body(String(cString: entry), isRegular < 0 ? nil : isRegular > 0)
        }
    }

    /// Removes an object; false when it was not there.
    @discardableResult
    package func remove(_ object: ObjectID) throws(PublishingError) -> Bool {
        let result = cplatform_remove_file(folder, object.serverPath)
        if result == -ENOENT { return false }
        guard result >= 0 else { throw failure(result, object.serverPath, "cannot be removed") }
        return true
    }

    /// Removes what killed writers left below `data/txn`. The caller holds the repository's lock, so that no other
    /// writer is there.
    package func removeAbandoned() throws(PublishingError) {
        var listing: OpaquePointer?
        let opened = cplatform_listing_open(folder, "data/txn", &listing)
        if opened == -ENOENT { return }
        guard opened >= 0, let listing else { throw failure(opened, "data/txn", "cannot be listed") }
        defer { cplatform_listing_close(listing) }
        var entry: UnsafePointer<CChar>?
        while cplatform_listing_next(listing, &entry) > 0, let entry {
            _ = cplatform_remove_file(folder, "data/txn/\(String(cString: entry))")
        }
    }

    /// A path for a scratch file of the caller's in the storage's file system, so that it can become an object.
    package func scratchPath() -> String {
        "\(path)/data/txn/\(FreeName.make())"
    }

    /// The stored bytes of an object, as they are and unverified; `nil` when it is not there.
    package func stored(_ object: ObjectID, limit: Int) throws(PublishingError) -> [UInt8]? {
        try read(path: object.serverPath, limit: limit)
    }

    /// Verifies an object and unpacks it into a new file.
    ///
    /// - Parameters:
    ///   - name: where its stored bytes are below the storage's folder, when not under the object's own name.
    ///   - target: the file, which is made or emptied. When the call throws it is gone.
    ///   - limit: the most plain bytes.
    /// - Throws: `corrupt` when the object is absent or damaged, or longer than the limit.
    package func unpack(
        _ object: ObjectID, from name: String? = nil, to target: String, limit: Int64 = Limits.unknownObjectBytes
    ) throws(PublishingError) {
        let output = open(target, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard output >= 0 else { throw failure(-errno, target, "cannot be made") }
        defer { cplatform_close(output) }
        do throws(PublishingError) {
            try unpack(object, from: name, into: FileOutput(descriptor: output, label: target), limit: limit)
        } catch {
            unlink(target)
            throw error
        }
    }

    /// Verifies an object, unpacks it into a file for as long as the body runs, and lets that open it: the name is gone
    /// then, the content with the last who has it open.
    func withUnpacked<Result>(
        _ object: ObjectID, from name: String? = nil, scratch folder: FilePath, limit: Int64,
        _ body: (FilePath) throws -> Result
    ) throws -> Result {
        let file = folder.appending("\(object.kind)-\(FreeName.make())")
        defer { _ = file.withPlatformString { unlink($0) } }
        try unpack(object, from: name, to: file.string, limit: limit)
        return try body(file)
    }

    /// Verifies an object and gives what it unpacks to; none of that is good before the call has returned.
    func unpack(
        _ object: ObjectID, from name: String? = nil, into output: any ContentOutput, limit: Int64
    ) throws(PublishingError) {
        let input = cplatform_open_file(folder, name ?? object.serverPath, 0)
        guard input >= 0 else {
            if input == -ENOENT { throw PublishingError(.corrupt, "object \(object) is missing in \(path)") }
            throw failure(input, object.serverPath, "cannot be opened")
        }
        defer { cplatform_close(input) }
        let decoder = ContentDecoder(id: object, size: .atMost(limit), output: output)
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { piece.deallocate() }
        var offset: Int64 = 0
        do throws(CASError) {
            try decoder.restart(expectedLength: nil)
            while true {
                let count = cplatform_read_at(input, piece.baseAddress, Int64(piece.count), offset)
                guard count >= 0 else { throw CASError(.system, "\(object) cannot be read (\(-count))") }
                if count == 0 { break }
                try decoder.write(UnsafeRawBufferPointer(rebasing: piece[..<Int(count)]).bytes)
                offset += count
            }
            try decoder.finish()
        } catch {
            let code: PublishingError.Code = error.isBadData ? .corrupt : .storage
            throw PublishingError(code, "storage \(path): object \(object) cannot be unpacked", cause: error)
        }
    }
}
