internal import CASCore

/// Catalogs and snapshots that nodes and listings are of.
extension NodeTable {
    /// The record of a catalog, which holds as long as a node refers to it or it is a snapshot's root.
    func catalog(_ hash: ContentHash, size: Int64, mountedAt folder: UInt32) throws(MountError) -> UInt32 {
        try locked { () throws(MountError) -> UInt32 in try lockedCatalog(hash, size: size, mountedAt: folder) }
    }

    func lockedCatalog(
        _ hash: ContentHash, size: Int64, mountedAt folder: UInt32
    ) throws(MountError) -> UInt32 {
        let digest = Self.digest(of: hash, in: folder)
        if let slot = find(digest, where: { self.isCatalog($0, hash, in: folder) }) { return slot }
        let slot = try records.take()
        hash.copyDigest(to: UnsafeMutableRawBufferPointer(start: records.start(of: slot), count: 20))
        records.start(of: slot).storeBytes(of: size, toByteOffset: 20, as: Int64.self)
        records.store(digest, slot, Offset.digest)
        records.store(folder, slot, Offset.parent)
        records.store(UInt64(0), slot, Offset.catalog)
        publish(slot, SlotFlags(catalogWith: hash.algorithm))
        records.add(1, folder, Offset.row)
        return slot
    }

    func catalog(at slot: UInt32) -> CatalogRecord? {
        locked { () -> CatalogRecord? in
            guard slot > 0, slot < records.highWater, records.flags(slot).kind == .catalog,
                let hash = records.hash(of: slot)
            else { return nil }
            return CatalogRecord(
                hash: hash, size: records.size(slot), folder: records.load(slot, Offset.parent))
        }
    }

    // MARK: Snapshots

    /// The number of the snapshot in use, and its root catalog; 0 before there is one.
    var view: (number: UInt32, root: UInt32) {
        locked { () -> (number: UInt32, root: UInt32) in
            let number: UInt32 = records.load(0, Offset.view)
            return (number, root(ofView: number))
        }
    }

    /// The root catalog of a snapshot of before; 0 when it is not remembered.
    func rootCatalog(ofView number: UInt32) -> UInt32 {
        locked { () -> UInt32 in
            let current: UInt32 = records.load(0, Offset.view)
            guard number <= current, current - number < UInt32(Self.views) else { return 0 }
            return root(ofView: number)
        }
    }

    /// Makes a root catalog that of the snapshot in use.
    func beginView(root catalog: UInt32) -> UInt32 {
        locked { () -> UInt32 in
            let number = (records.load(0, Offset.view) as UInt32) + 1
            let place = Offset.viewRoots + Int(number) % Self.views * 4
            let old: UInt32 = records.load(0, place)
            records.store(catalog, 0, place)
            records.add(1, catalog, Offset.row)
            records.store(number, 0, Offset.view)
            if old != 0 { release(old) }
            return number
        }
    }

    private func root(ofView number: UInt32) -> UInt32 {
        records.load(0, Offset.viewRoots + Int(number) % Self.views * 4)
    }

    // MARK: Under the lock

    private func isCatalog(_ slot: UInt32, _ hash: ContentHash, in folder: UInt32) -> Bool {
        records.flags(slot).kind == .catalog && records.load(slot, Offset.parent) as UInt32 == folder
            && records.hash(of: slot) == hash
    }

    private static func digest(of hash: ContentHash, in folder: UInt32) -> UInt64 {
        var digest = Digest()
        hash.withDigest { bytes in
            digest.add(bytes.unsafeLoad(fromByteOffset: 0, as: UInt64.self))
            digest.add(bytes.unsafeLoad(fromByteOffset: 8, as: UInt64.self))
        }
        digest.add(UInt64(folder))
        return digest.value
    }
}
