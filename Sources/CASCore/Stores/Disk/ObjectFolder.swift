internal import CPlatform
internal import SystemPackage

/// One of the 256 folders of a cache: what is in it.
struct ObjectFolder: Sendable {
    struct Entry: Sendable {
        let id: ObjectID
        let size: Int64
        /// The last use, nanoseconds since 1970.
        let accessed: Int64
        let isRegular: Bool
    }

    let number: UInt8

    static let all: [ObjectFolder] = (UInt8.min ... .max).map(ObjectFolder.init)

    /// Everything in it that is named as an object; other files are nobody's business.
    func entries(in folder: CacheFolder) throws(CASError) -> [Entry] {
        var listing: OpaquePointer?
        let opened = cplatform_listing_open(folder.descriptor, ObjectName.folderName(number), &listing)
        if opened == -Errno.noSuchFileOrDirectory.rawValue { return [] }
        guard opened >= 0, let listing else { throw failure(opened, folder) }
        defer { cplatform_listing_close(listing) }
        var entries: [Entry] = []
        while true {
            var name: UnsafePointer<CChar>?
            let result = cplatform_listing_next(listing, &name)
            if result < 0 { throw failure(result, folder) }
            guard result > 0, let name else { return entries }
            guard let id = ObjectName.parse(folder: number, name: name) else { continue }
            var status = cplatform_status()
            let found = ObjectName(id).withPointer { cplatform_status_at(folder.descriptor, $0, &status) }
            guard found >= 0 else { continue }
            entries.append(
                Entry(id: id, size: status.size, accessed: status.accessed, isRegular: status.is_regular != 0))
        }
    }

    /// Its objects, and what they come to.
    func count(in folder: CacheFolder) throws(CASError) -> (objects: [Entry], usage: StoreUsage) {
        let objects = try entries(in: folder).filter(\.isRegular)
        let bytes = objects.reduce(Int64(0)) { $0 + UsageCounters.charge($1.size) }
        return (objects, StoreUsage(size: .bytes(bytes), objects: Int64(objects.count)))
    }

    /// Its objects; the counters are set right on the way. It must be called without the lock of removals.
    /// - Parameter insists: whether the counters were all wrong, so that about right is better.
    func scan(
        _ folder: CacheFolder, correcting usage: UsageCounters, insists: Bool = false
    ) throws(CASError) -> [Entry] {
        let objects = try folder.withLock(.removal, exclusively: false) { () throws(CASError) -> [Entry] in
            let baseline = try usage.baseline(of: number)
            let found = try count(in: folder)
            try usage.correct(number, found: found.usage, since: baseline, insists: insists)
            return found.objects
        }
        return objects ?? []
    }

    private func failure(_ result: Int32, _ folder: CacheFolder) -> CASError {
        CASError(system: result, "cache folder \(folder.path)/\(ObjectName.folderName(number)): cannot be listed")
    }
}
