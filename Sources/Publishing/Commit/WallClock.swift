internal import Glibc
public import Signing

/// The system's clock.
public enum WallClock {
    @Sendable public static func now() -> UnixTime { UnixTime(Int64(time(nil))) }
}
