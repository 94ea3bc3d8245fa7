internal import FUSE

/// How the kernel reads a file that is open, which all who have it open share.
struct FileBacking: Hashable, Sendable {
    /// The kernel's number of the file that it reads instead of asking; 0 when it asks.
    let number: Int32

    /// The kernel asks for what it reads.
    static let none = FileBacking(number: 0)
}

/// A record of the table whose backing file the kernel can let go of: then it is free.
struct ClosedBacking: Sendable {
    let slot: UInt32
    let backing: FileBacking
}

/// Files that are open, where the mount has OPEN: the kernel refuses to open one file in two ways at a time, and another
/// process has to know which way that is.
///
/// Counts of opens are hints as those of lookups are: after a kill they may be too high, never too low. What stays too
/// high ends with the node.
extension NodeTable {
    /// One more opens a node that is open; `nil` when it is not.
    func openAgain(_ node: NodeID) -> FileBacking? {
        locked { () -> FileBacking? in
            guard let opening = opening(of: node) else { return nil }
            records.add(1, opening, Offset.lookups)
            return FileBacking(number: records.load(opening, Offset.backing))
        }
    }

    /// The first one opens a node.
    ///
    /// - Returns: how it is open: if somebody else was faster, not with the backing that was offered.
    func open(_ node: NodeID, with backing: FileBacking) throws(MountError) -> FileBacking? {
        try locked { () throws(MountError) -> FileBacking? in
            guard records.isValid(node) else { return nil }
            if let opening = opening(of: node) {
                records.add(1, opening, Offset.lookups)
                return FileBacking(number: records.load(opening, Offset.backing))
            }
            let opening = try records.take()
            records.store(backing.number, opening, Offset.backing)
            records.store(node.slot, opening, Offset.node)
            records.store(UInt32(1), opening, Offset.lookups)
            records.publish(opening, SlotFlags(.opening))
            records.store(opening, node.slot, Offset.opening)
            if backing != .none { passedThrough += 1 }
            return backing
        }
    }

    /// One who had a node open has closed it.
    func close(_ node: NodeID) {
        locked { () -> Void in
            guard let opening = opening(of: node) else { return }
            let count: UInt32 = records.load(opening, Offset.lookups)
            if count > 1 {
                if count != .max { records.store(count - 1, opening, Offset.lookups) }
                return
            }
            records.store(UInt32(0), node.slot, Offset.opening)
            letGo(opening)
        }
    }

    /// Backings that nobody needs any more, once each; their records are free after `finish`.
    func takeClosed() -> [ClosedBacking] {
        locked { () -> [ClosedBacking] in
            guard !closed.isEmpty else { return [] }
            defer { closed = [] }
            return closed
        }
    }

    /// The kernel has let go of a backing.
    func finish(_ closed: ClosedBacking) { locked { () -> Void in records.drop(closed.slot) } }

    /// Files that the kernel reads by itself.
    var passedThroughCount: Int { locked { () -> Int in passedThrough } }

    // MARK: Under the lock

    private func opening(of node: NodeID) -> UInt32? {
        guard records.isValid(node), records.flags(node.slot).kind == .file else { return nil }
        let opening: UInt32 = records.load(node.slot, Offset.opening)
        return opening == 0 ? nil : opening
    }

    /// Nothing refers to the record any more. It stays until its backing is closed: a process that is killed before that
    /// leaves it to the next one.
    func letGo(_ opening: UInt32) {
        let backing = FileBacking(number: records.load(opening, Offset.backing))
        guard backing != .none else { return records.drop(opening) }
        passedThrough -= 1
        closed.append(ClosedBacking(slot: opening, backing: backing))
    }
}
