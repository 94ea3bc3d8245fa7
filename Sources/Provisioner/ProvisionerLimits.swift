/// Bounds of what an image says about itself.
public enum ProvisionerLimits {
    /// Bytes of an image's configuration.
    public static let configurationBytes: Int64 = 4 << 20
    /// Levels of values in one another in it.
    public static let configurationDepth = 64
    /// Arguments, variables, groups: entries of one list of the configuration.
    public static let listEntries = 4096
    /// Bytes of one argument, variable or path: what the kernel takes of one string (MAX_ARG_STRLEN).
    public static let stringBytes = 128 << 10
    /// Bytes of the image's `/etc/passwd` and `/etc/group`, each.
    public static let userFileBytes: Int64 = 16 << 20
    /// Groups that a process has beside its own (NGROUPS_MAX).
    public static let groups = 65536
    /// Bytes of a host name.
    public static let hostnameBytes = 64
    /// Bytes of a record of ours: of a root, or a pinned image.
    public static let recordBytes = 1 << 20
    /// Objects fetched at once to complete an image.
    public static let parallelFetches = 32
}
