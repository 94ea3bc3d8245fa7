#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// Anonymous memory straight from the system, which unmapping gives back at once; `malloc` keeps what is freed, in
/// every thread's arena, and would break the promise of a bound.
///
/// `@unchecked`: an address and a length. The memory has one user at a time, the budget or the room that it gave.
struct MappedBlock: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    var count: Int { bytes.count }

    /// `nil` when the system has no memory left.
    init?(byteCount: Int) {
        let address = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let address, address != MAP_FAILED else { return nil }
        bytes = UnsafeMutableRawBufferPointer(start: address, count: byteCount)
    }

    func unmap() { munmap(bytes.baseAddress, bytes.count) }
}
