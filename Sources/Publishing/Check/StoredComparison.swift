internal import CASCore

/// Compares what is needed with what a sweep has found.
struct StoredComparison {
    /// Objects that nothing needs, and their bytes.
    private(set) var orphans = 0
    private(set) var orphanBytes: Int64 = 0
    /// What is needed and not there.
    private(set) var missing: [ObjectID] = []

    private let storage: LocalStorage

    /// Blocks for the disk.
    init(_ storage: LocalStorage, _ sweep: ObjectSweep, _ ledger: ReferenceLedger) throws {
        self.storage = storage
        for folder in UInt8.min...UInt8.max {
            try Task.checkCancellation()
            try compare(sweep, folder, ledger.sizes(in: folder).keys)
        }
    }

    private mutating func compare(
        _ sweep: ObjectSweep, _ folder: UInt8, _ keys: some Sequence<ReferenceLedger.Key>
    ) throws {
        let needed = Set(keys.map { StoredName($0.object) })
        var missing = needed
        for name in sweep.names(in: folder) where missing.remove(name) == nil && !needed.contains(name) {
            guard let size = try storage.size(of: name.object) else { continue }
            orphans += 1
            orphanBytes += size
        }
        for name in missing {
            // The sweep may have been there before somebody stored it.
            if try storage.contains(name.object) {
                try sweep.check(late: name.object)
            } else {
                self.missing.append(name.object)
            }
        }
    }
}

/// What an object's file is called.
struct StoredName: Hashable {
    let hash: ContentHash
    let kind: ObjectKind

    init(_ object: ObjectID) { (hash, kind) = (object.hash, object.kind) }

    var object: ObjectID { ObjectID(hash, kind: kind) }
}
