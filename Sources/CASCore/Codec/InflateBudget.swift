internal import Synchronization

/// Bounds the memory in which all decoders together unpack objects whole, and reuses it.
///
/// Nobody waits for a share: a decoder that gets none streams, which is slower and needs next to nothing. What is
/// given back stays mapped for the next object up to `Limits.idleInflateBytes`, because a fresh page costs the
/// kernel's zeroing and a fault, together a third of the time that libdeflate takes to fill it.
package final class InflateBudget: Sendable {
    /// The budget of the process: `Limits.inflateBudgetBytes`.
    package static let shared = InflateBudget(
        bytes: Limits.inflateBudgetBytes, idleBytes: Limits.idleInflateBytes)

    private enum Place {
        case idle(MappedBlock)
        /// In the limit, and counted.
        case unmapped
        /// Not yet: this one must go first.
        case afterUnmapping(MappedBlock)
        case nowhere
    }

    private struct State {
        /// Bytes that are mapped, in use or idle.
        var mapped = 0
        /// In the order in which they were given back.
        var idle: [MappedBlock] = []
        var idleBytes = 0

        mutating func place(for size: Int, limit: Int) -> Place {
            if let index = bestFit(size) {
                idleBytes -= idle[index].count
                return .idle(idle.remove(at: index))
            }
            if mapped + size <= limit {
                mapped += size
                return .unmapped
            }
            guard mapped - idleBytes + size <= limit, let block = oldestIdle() else { return .nowhere }
            return .afterUnmapping(block)
        }

        /// Takes out the block that has been idle for longest; it still counts as mapped.
        mutating func oldestIdle() -> MappedBlock? {
            guard !idle.isEmpty else { return nil }
            let block = idle.removeFirst()
            idleBytes -= block.count
            return block
        }

        /// The smallest idle block that is large enough, and not so large that it would be missed elsewhere.
        private func bestFit(_ size: Int) -> Int? {
            var best: Int?
            for index in idle.indices where idle[index].count >= size && idle[index].count <= 4 * size {
                if let found = best, idle[found].count <= idle[index].count { continue }
                best = index
            }
            return best
        }
    }

    private let limit: Int
    private let idleLimit: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - bytes: how much may be mapped at once; 0 makes every decoder stream.
    ///   - idleBytes: how much of it stays mapped when it is not in use.
    package init(bytes: Int, idleBytes: Int = 0) {
        // Beyond that the sums below could overflow, and no machine has it.
        limit = min(max(0, bytes), 1 << 40)
        idleLimit = min(max(0, idleBytes), limit)
    }

    deinit { state.withLock { state in state.idle.forEach { $0.unmap() } } }

    /// Bytes that are mapped now, idle ones included.
    package var mappedBytes: Int { state.withLock { $0.mapped } }

    /// Memory of some size, or `nil` when the budget has no share or the system no memory left.
    package func room(_ bytes: Int) -> InflateRoom? {
        guard bytes >= 0, bytes <= limit else { return nil }
        let size = Self.blockSize(bytes)
        // The system maps and unmaps outside the lock, since that takes long for large blocks.
        while true {
            switch state.withLock({ $0.place(for: size, limit: limit) }) {
            case .idle(let block):
                return InflateRoom(block: block, byteCount: bytes, budget: self)
            case .unmapped:
                guard let block = MappedBlock(byteCount: size) else {
                    state.withLock { $0.mapped -= size }
                    return nil
                }
                return InflateRoom(block: block, byteCount: bytes, budget: self)
            case .afterUnmapping(let block):
                unmap(block)
            case .nowhere:
                return nil
            }
        }
    }

    fileprivate func giveBack(_ block: MappedBlock) {
        state.withLock { state in
            state.idle.append(block)
            state.idleBytes += block.count
        }
        while let block = state.withLock({ $0.idleBytes > idleLimit ? $0.oldestIdle() : nil }) { unmap(block) }
    }

    private func unmap(_ block: MappedBlock) {
        let size = block.count
        block.unmap()
        state.withLock { $0.mapped -= size }
    }

    /// Few sizes, so that blocks fit again: powers of two from 64 KiB to 1 MiB, and whole MiB.
    private static func blockSize(_ bytes: Int) -> Int {
        let mebibyte = 1 << 20
        guard bytes <= mebibyte else { return (bytes + mebibyte - 1) / mebibyte * mebibyte }
        var size = 64 << 10
        while size < bytes { size *= 2 }
        return size
    }
}

/// A share of a budget, given back when it goes.
package struct InflateRoom: ~Copyable {
    private let block: MappedBlock
    private let budget: InflateBudget
    /// The bytes asked for; their content is whatever was there.
    package let bytes: UnsafeMutableRawBufferPointer

    fileprivate init(block: MappedBlock, byteCount: Int, budget: InflateBudget) {
        self.block = block
        self.budget = budget
        bytes = UnsafeMutableRawBufferPointer(rebasing: block.bytes[..<byteCount])
    }

    deinit { budget.giveBack(block) }
}
