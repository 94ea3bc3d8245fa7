public import Signing

/// How a transaction goes about its work.
public struct TransactionOptions: Sendable {
    /// How large catalogs may become before they are split by themselves; `nil` when they never are.
    public var balance: CatalogBalance? = .reference
    /// Whether a source that goes elsewhere than to the repository's root gets a nested catalog of its own.
    public var nestsSources = true
    /// How content becomes objects. The algorithm and the deflater are those of the repository.
    public var content = ContentOptions()
    /// What the time is; the same input at the same time gives the same root catalog.
    public var clock: @Sendable () -> UnixTime = WallClock.now
    /// Told now and then how far it is.
    public var progress: (@Sendable (PublishingReport) -> Void)?
    /// Told of every stage that is reached; tests end the process there.
    package var reached: @Sendable (TransactionStage) -> Void = { _ in }
    /// The same for those of the commit.
    package var commitReached: @Sendable (CommitStage) -> Void = { _ in }

    public init() {}
}

/// The stages of a transaction.
package enum TransactionStage: String, Sendable, CaseIterable {
    /// The lock is held, and what a crash has left is gone.
    case begun
    /// The tree is as it should be; the content of its files is packed and stored.
    case synced
    /// Nested catalogs are where they should be.
    case balanced
    /// All catalogs are stored.
    case stored
    /// The revision is the repository's.
    case committed
}
