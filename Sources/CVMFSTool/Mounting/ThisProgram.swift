import FUSEMount

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The file of the running program, to start others of it.
enum ThisProgram {
    static var path: String {
        get throws {
            var bytes = [CChar](repeating: 0, count: 4096)
            let count = readlink("/proc/self/exe", &bytes, bytes.count)
            guard count > 0, count < bytes.count else {
                throw MountError(.systemCall, "/proc/self/exe cannot be read: is /proc mounted?")
            }
            return String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}
