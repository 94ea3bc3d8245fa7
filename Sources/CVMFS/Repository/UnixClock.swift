internal import Signing

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The system's clock.
enum UnixClock {
    static func now() -> UnixTime { UnixTime(Int64(time(nil))) }
}
