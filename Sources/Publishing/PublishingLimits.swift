/// Bounds on what a publisher reads back of its own, and on what it is given.
package enum PublishingLimits {
    /// Bytes of a settings file: 4 KiB; ours have 30.
    package static let settingsBytes = 4 << 10

    /// Bytes of a lock's record of its owner: 1 KiB.
    package static let ownerBytes = 1 << 10

    /// Bytes of a tag's name: 255, as file names; snapshots are directories of that name.
    package static let tagNameBytes = 255

    /// Days for which a whitelist may be good: 36 500, a hundred years.
    package static let whitelistDays = 36_500

    /// Bytes of a reflog: 256 MiB, two million references.
    package static let reflogBytes = 256 << 20

    /// Bytes of meta-information: 64 KiB, more than which readers do not take.
    package static let metainfoBytes = 64 << 10

    /// Bytes of a history, unpacked: 256 MiB, 200 a tag.
    package static let historyBytes: Int64 = 256 << 20

    /// Bytes of a catalog, unpacked: 4 GiB, as readers take.
    package static let catalogBytes: Int64 = 4 << 30
}
