/// Bounds on what a publisher reads back of its own.
package enum PublishingLimits {
    /// Bytes of a settings file: 4 KiB; ours have 30.
    package static let settingsBytes = 4 << 10

    /// Bytes of a lock's record of its owner: 1 KiB.
    package static let ownerBytes = 1 << 10
}
