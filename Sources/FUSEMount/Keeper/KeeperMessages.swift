internal import CVMFS
internal import FUSE
internal import FoundationEssentials

/// What the keeper tells a worker.
enum WorkerOrder: Codable {
    /// Open the repository, and say so.
    /// - root: the root catalog that the mount shows already, by its hash.
    case prepare(MountConfiguration, root: String?)
    /// Mount, and hand over what is to be kept.
    case mount
    /// Serve the mount whose descriptors come with this: the table of nodes first, then the device and its clones.
    case takeOver(Agreement)
    /// A client's connection, and what it asks.
    case answer(ControlRequest)
    /// Stop serving and end, leaving the mount to another worker.
    case leave
    /// Unmount, and end.
    case end
}

/// What a worker tells the keeper.
enum WorkerReport: Codable {
    case prepared(root: String)
    /// Mounted; the descriptors to be kept come with this.
    case mounted(Agreement)
    /// Serving what it took over.
    case serving
    /// Shows another root catalog now.
    case shows(root: String)
    /// It cannot do what it was told.
    case failed(String)
    /// The mount is gone.
    case ended
}

/// What a client asks of a mount.
public enum ControlRequest: Codable, Sendable {
    case status
    /// The misses of late, at most so many.
    case explain(Int)
    /// Ask the servers for a newer revision now.
    case refresh
    /// Replace the worker by one of this program, and with this configuration where one is given.
    case upgrade(program: String, configuration: MountConfiguration?)
    /// What the mount was told when it began.
    case configuration
    /// Unmount.
    case unmount(lazily: Bool)

    /// Whether it can be asked twice.
    var changesNothing: Bool {
        switch self {
        case .status, .explain, .refresh, .configuration: true
        case .upgrade, .unmount: false
        }
    }
}

/// The answer: what was asked for as JSON, or what went wrong.
public enum ControlReply: Codable, Sendable {
    case done
    case status(MountStatus)
    case misses([MountMiss])
    case configuration(MountConfiguration)
    case failed(String)
}
