internal import CMount
internal import SystemPackage

/// Memory with a descriptor, which outlives the process as long as somebody holds that.
///
/// All that it may ever have is mapped at once; what of it is there grows in steps, so that nothing ever moves.
final class SharedMemory: Sendable {
    let descriptor: Int32
    /// `nonisolated(unsafe)`: set once; who writes where is the owner's business.
    nonisolated(unsafe) let base: UnsafeMutableRawPointer
    private let capacity: Int

    /// - Parameter existing: takes this descriptor over, with what is in the memory.
    init(named name: String, capacity: Int, existing: Int32? = nil) throws(MountError) {
        let descriptor = existing ?? cmount_memory(name)
        guard descriptor >= 0 else {
            throw MountError(.systemCall, "no memory for the table \(name): \(Errno(rawValue: -descriptor))")
        }
        guard let base = cmount_map(descriptor, capacity) else {
            throw MountError(.systemCall, "the table \(name) of \(capacity) bytes cannot be mapped")
        }
        self.descriptor = descriptor
        self.base = base
        self.capacity = capacity
    }

    deinit {
        cmount_unmap(base, capacity)
        try? FileDescriptor(rawValue: descriptor).close()
    }

    /// Makes the first `size` bytes be there, so that none of them can be missing when it is used.
    func grow(to size: Int) throws(MountError) {
        let result = cmount_grow(descriptor, Int64(min(size, capacity)))
        guard result == 0 else {
            throw MountError(.full, "the table of nodes cannot grow to \(size) bytes: \(Errno(rawValue: -result))")
        }
    }
}
