/// Bounds on what a transaction keeps open.
package enum TreeLimits {
    /// Catalogs that are open at the same time, unless more are in use: each has a descriptor and its pages.
    static let openCatalogs = 8
    /// Catalogs that are packed and stored at the same time.
    static let storedAtOnce = 4
    /// Bytes of a catalog's file: what 20 million entries take.
    static let catalogBytes: Int64 = 8 << 30
    /// Changes whose content is still being packed.
    static let pendingChanges = 1024
}
