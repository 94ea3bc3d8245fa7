internal import CPlatform
internal import SystemPackage

/// A file that nobody can see until it gets its name, and that is gone with its process if it never does.
///
/// Where the file system can, it has no name at all until then, so that the kernel cleans up behind a killed process.
/// Elsewhere it is in `txn`, locked: one that is there and not locked belonged to a dead process.
struct UnfinishedFile: ~Copyable {
    let descriptor: Int32
    private let folder: CacheFolder
    private var temporaryName: String?

    /// - Parameter place: the folder that it will be in, so that the file system can lay it out there.
    /// - Throws: with `errno` set; `noSpace` when the disk is full.
    init(in folder: CacheFolder, place: String) throws(CASError) {
        self.folder = folder
        if folder.abilities.contains(.unnamedFiles) {
            var file = cplatform_create_unnamed_file(folder.descriptor, place)
            if file == -Errno.noSuchFileOrDirectory.rawValue {
                _ = cplatform_make_folder(folder.descriptor, place)
                file = cplatform_create_unnamed_file(folder.descriptor, place)
            }
            if file < 0 { throw Self.failure(file, folder) }
            descriptor = file
            temporaryName = nil
            // Nobody else can have it open.
            _ = cplatform_lock(file, 0, 0)
            return
        }
        while true {
            let name = "txn/\(UInt64.random(in: 0 ... .max))"
            let file = cplatform_create_file(folder.descriptor, name)
            if file < 0 { throw Self.failure(file, folder) }
            // A process that cleans up may have come between the two calls.
            var status = cplatform_status()
            if cplatform_lock(file, 0, 0) >= 0, cplatform_status_of(file, &status) >= 0, status.links > 0 {
                descriptor = file
                temporaryName = name
                return
            }
            cplatform_close(file)
        }
    }

    deinit {
        if let temporaryName { _ = cplatform_remove_file(folder.descriptor, temporaryName) }
        cplatform_close(descriptor)
    }

    /// Gives the file its name, at once and whole, if nothing has that name.
    /// - Returns: 0, or a negated errno: that of EEXIST when the name is taken.
    mutating func publish(as name: UnsafePointer<CChar>) -> Int32 {
        guard let temporaryName else { return cplatform_name_file(descriptor, folder.descriptor, name) }
        let moved = cplatform_move_file(folder.descriptor, temporaryName, name)
        if moved >= 0 { self.temporaryName = nil }
        return moved
    }

    /// Gives the file its name, over what has it.
    /// - Returns: 0, or a negated errno.
    mutating func replace(_ name: String) -> Int32 {
        if temporaryName == nil {
            // A file without a name can only get a free one.
            let free = "txn/\(UInt64.random(in: 0 ... .max))"
            let named = cplatform_name_file(descriptor, folder.descriptor, free)
            if named < 0 { return named }
            temporaryName = free
        }
        guard let temporaryName else { return 0 }
        let replaced = cplatform_replace_file(folder.descriptor, temporaryName, name)
        if replaced >= 0 { self.temporaryName = nil }
        return replaced
    }

    /// Removes what killed processes left in `txn`.
    static func removeAbandoned(in folder: Int32) {
        var listing: OpaquePointer?
        guard cplatform_listing_open(folder, "txn", &listing) >= 0, let listing else { return }
        defer { cplatform_listing_close(listing) }
        var entry: UnsafePointer<CChar>?
        while cplatform_listing_next(listing, &entry) > 0, let entry {
            let name = "txn/\(String(cString: entry))"
            let file = cplatform_open_file(folder, name, 0)
            guard file >= 0 else { continue }
            if cplatform_lock(file, 1, 0) >= 0 { _ = cplatform_remove_file(folder, name) }
            cplatform_close(file)
        }
    }

    private static func failure(_ result: Int32, _ folder: CacheFolder) -> CASError {
        CASError(system: result, "cache folder \(folder.path): cannot make a file", writes: true)
    }
}
