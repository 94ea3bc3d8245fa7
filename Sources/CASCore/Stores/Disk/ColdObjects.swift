/// Objects whose file the cache has, but the system's memory has not, as after a start of the machine.
extension StoredObject {
    /// Whether reading it begins without waiting for a disk. True where nobody can tell.
    package var isInMemory: Bool { (self as? CachedObject)?.isInMemory ?? true }

    /// Lets the system read the first bytes into memory, and does not wait for it.
    package func willBeRead(_ bytes: Int64 = .max) { (self as? CachedObject)?.willBeRead(bytes) }
}
