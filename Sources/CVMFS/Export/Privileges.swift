#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// What the process may do.
public enum Privileges {
    /// Whether the effective user is root.
    public static var isRoot: Bool { geteuid() == 0 }
}
