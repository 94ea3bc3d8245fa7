internal import CASCore

/// A table that another process left.
extension NodeTable {
    /// Makes everything anew that follows from the records, and frees those that nothing needs.
    func adoptRecords() {
        let end = records.highWater
        var isNeeded = [Bool](repeating: false, count: Int(end))
        for slot in 1..<end where [.directory, .catalog].contains(records.flags(slot).kind) {
            records.store(UInt32(0), slot, Offset.row)
        }
        func refer(to slot: UInt32) { if slot > 0, slot < end { records.add(1, slot, Offset.row) } }
        for slot in 1..<end {
            switch records.flags(slot).kind {
            case .free, .name, .opening: continue
            case .directory:
                var piece = records.pieces(of: slot)
                while piece > 0, piece < end, !isNeeded[Int(piece)] {
                    isNeeded[Int(piece)] = true
                    piece = records.piece(behind: piece)
                }
            case .catalog: break
            case .file, .symlink, .special:
                refer(to: records.load(slot, Offset.catalog))
                let opening: UInt32 = records.load(slot, Offset.opening)
                if opening > 0, opening < end, isOpening(opening, of: slot) {
                    isNeeded[Int(opening)] = true
                } else {
                    records.store(UInt32(0), slot, Offset.opening)
                }
            }
            if slot != Self.root { refer(to: records.load(slot, Offset.parent)) }
            records.used += 1
            index.enter(slot, of: records)
        }
        for place in 0..<Self.views { refer(to: records.load(0, Offset.viewRoots + place * 4)) }
        for slot in (1..<end).reversed() {
            switch records.flags(slot).kind {
            case .free: records.giveBack(slot)
            case .name:
                records.used += 1
                if !isNeeded[Int(slot)] { records.drop(slot) }
            case .opening:
                records.used += 1
                if records.load(slot, Offset.backing) as Int32 != 0 { passedThrough += 1 }
                if !isNeeded[Int(slot)] { letGo(slot) }
            case .catalog: _ = dropIfUnused(slot)
            case .directory, .file, .symlink, .special: break
            }
        }
    }

    private func isOpening(_ slot: UInt32, of node: UInt32) -> Bool {
        records.flags(slot).kind == .opening && records.load(slot, Offset.node) as UInt32 == node
    }
}
