/// Bounds on what a mount holds, each with its reason.
public enum MountLimits {
    /// Nodes that the kernel may know at a time, 64 bytes each in the table; it holds about 1 KiB for each itself.
    public static let nodes = 1 << 22
    /// Nodes by which the table grows: 4 MiB.
    static let nodesOfStep = 1 << 16
    /// Longest path: the kernel's.
    static let pathBytes = 4096
    /// Folders whose paths are kept at hand.
    static let keptPaths = 4096
    /// Entries kept at hand for nodes, and as many for names, about 700 bytes each.
    static let keptEntries = 4096
    /// Files whose objects are kept open, each with up to four descriptors.
    public static let openContents = 512
    /// Nested catalogs of the snapshot held open; fewer than a program may, for a mount with a million nodes is to stay
    /// below 150 MiB.
    static let loadedCatalogs = 40
    /// Catalogs of nodes kept open beside those of the snapshot; each costs SQLite's page cache and a descriptor.
    static let openCatalogs = 64
    /// Snapshots kept for listings that began before a new revision.
    static let keptSnapshots = 4
    /// Objects fetched ahead of a program that reads one file after the other.
    static let sweptObjects = 64
    /// Bytes of them that are under way at a time.
    static let sweptBytes: Int64 = 64 << 20
    /// Bytes of a cached file that a sweep lets the disk read: what follows, the kernel reads ahead itself.
    static let sweptBeginning: Int64 = 1 << 20
    /// Folders one in the other that a sweep enters.
    static let sweptDepth = 64
    /// Requests to the network that `explain` remembers, about 200 bytes each.
    public static let rememberedMisses = 4096
    /// Bytes of one message between the processes of a mount.
    static let messageBytes = 128 << 10
    /// Descriptors of one mount that the keeper holds.
    static let heldDescriptors = 96
    /// Bytes of a page of a magic extended attribute. Source: format 6.4.
    static let attributePageBytes = 40_000
    /// How long those who still use a mount that ends may go on.
    static let farewellSeconds = 2
    /// How long a client may take to say what it wants, in milliseconds.
    static let patience = 2000
    /// The same for the mount's answer.
    static let answerPatience = 60_000
    /// How often a mountpoint's lock is tried: two seconds, for a mount that is just ending.
    static let lockAttempts = 200
    /// How often a question is asked of workers that die over it.
    static let questions = 8
    /// Workers that may end one after the other within a minute before the mount is given up.
    static let restartsInMinute = 2048
    /// Workers one after the other that may end before they serve: with the pauses between them some ten seconds.
    static let fruitlessWorkers = 50
}
