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

    private struct State {
        /// Bytes that are mapped, in use or idle.
        var mapped = 0
        /// In the order in which they were given back.
        var idle: [MappedBlock] = []
        var idleBytes = 0
    }

    private let limit: Int
    private let idleLimit: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - bytes: how much may be mapped at once; 0 makes every decoder stream.
    ///   - idleBytes: how much of it stays mapped when it is not in use.
    package init(bytes: Int, idleBytes: Int = 0) {
        limit = max(0, bytes)
        idleLimit = min(max(0, idleBytes), limit)
    }

    deinit { state.withLock { state in state.idle.forEach { $0.unmap() } } }

    /// Bytes that are mapped now, idle ones included.
    package var mappedBytes: Int { state.withLock { $0.mapped } }

    /// Memory of some size, or `nil` when the budget has no share or the system no memory left.
    package func room(_ bytes: Int) -> InflateRoom? {
        guard bytes >= 0, bytes <= limit else { return nil }
        let size = Self.blockSize(bytes)
        let block = state.withLock { state -> MappedBlock? in
            if let index = Self.bestFit(size, in: state.idle) {
                state.idleBytes -= state.idle[index].count
                return state.idle.remove(at: index)
            }
            while state.mapped + size > limit, !state.idle.isEmpty { Self.dropOldest(&state) }
            guard state.mapped + size <= limit, let block = MappedBlock(byteCount: size) else { return nil }
            state.mapped += size
            return block
        }
        return block.map { InflateRoom(block: $0, byteCount: bytes, budget: self) }
    }

    fileprivate func giveBack(_ block: MappedBlock) {
        state.withLock { state in
            state.idle.append(block)
            state.idleBytes += block.count
            while state.idleBytes > idleLimit { Self.dropOldest(&state) }
        }
    }

    private static func dropOldest(_ state: inout State) {
        let block = state.idle.removeFirst()
        state.idleBytes -= block.count
        state.mapped -= block.count
        block.unmap()
    }

    /// The smallest idle block that is large enough, and not so large that it would be missed elsewhere.
    private static func bestFit(_ size: Int, in idle: [MappedBlock]) -> Int? {
        idle.indices.filter { idle[$0].count >= size && idle[$0].count <= 4 * size }
            .min { idle[$0].count < idle[$1].count }
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
