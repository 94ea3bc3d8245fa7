public import CVMFS
internal import Catalog
internal import FUSE
internal import FUSEMount
internal import Glibc
internal import Synchronization

/// What running a program in an image has cost.
public struct ContainerSummary: Sendable, Hashable {
    public var status: ContainerStatus
    /// Objects fetched, and what came over the wire for them, from the opening of the repository on.
    public var objects: Int
    public var bytesFetched: Int64
    public var requests: Int
    /// The longest row of fetches that waited for each other.
    public var roundTrips: Int
    /// Files of the image of which something was read.
    public var filesRead: Int
    /// Regular files of the image, and bytes of their content, unpacked; `nil` when no catalog counts just those.
    public var imageFiles: Int64?
    public var imageBytes: Int64?
    /// Until the program's first instruction, and until its end.
    public var timeToStart: Duration
    public var timeTotal: Duration
}

extension Image {
    /// Starts a program in the image, whose files are fetched as it touches them.
    ///
    /// - Parameters:
    ///   - program: what to start; see `ContainerProgram.init(_:words:environment:user:)`.
    ///   - repository: where the image's snapshot is from.
    ///   - store: the cache that the repository was opened with.
    ///   - beginning: what times are counted from.
    /// - Throws: `ProvisionerError`.
    public func start(
        _ program: ContainerProgram, from repository: Repository, store: any ObjectStore,
        options: ContainerOptions = ContainerOptions(), since beginning: ContinuousClock.Instant = .now
    ) async throws -> LazyContainer {
        // While the namespaces are made.
        let ahead = Task(executorPreference: BlockingPool.shared) {
            await ProgramAhead(self, environment: program.environment).fetch(program)
        }
        do {
            var options = options
            while true {
                let served = try ServedSnapshot(
                    snapshot, of: repository, store: store, ownership: Self.ownership(for: options))
                do {
                    let container = try await Container.launch(
                        program, on: .served(served.files), at: root, options: options, since: beginning)
                    if let session = container.session { served.began(session) }
                    return LazyContainer(self, container, served, repository, beginning, ahead)
                } catch is NotMapped where options.subordinates != nil {
                    options.subordinates = nil
                }
            }
        } catch {
            ahead.cancel()
            throw error
        }
    }

    /// Whose files are in a container: without others set aside, a user namespace has its root alone.
    private static func ownership(for options: ContainerOptions) -> Ownership {
        var ownership = Ownership.published
        guard geteuid() != 0 else { return ownership }
        if let subordinates = options.subordinates {
            ownership.usersBelow = 1 + UInt32(subordinates.users.count)
            ownership.groupsBelow = 1 + UInt32(subordinates.groups.count)
        } else {
            ownership.claimedBy = [0, 0]
        }
        return ownership
    }

    /// The image's counters, when it begins at a catalog of its own that is loaded.
    fileprivate var counters: CatalogStatistics.Counters? {
        guard case .loaded(let mounted)? = try? snapshot.tree.holder(ofChildrenIn: root), mounted.path == root,
            let statistics = try? mounted.catalog.statistics()
        else { return nil }
        return statistics.own + statistics.subtree
    }
}

/// A program that runs in a lazy image.
public final class LazyContainer: Sendable {
    public let container: Container
    private let image: Image
    private let served: ServedSnapshot
    private let repository: Repository
    private let beginning: ContinuousClock.Instant
    private let ahead: Task<Void, Never>

    fileprivate init(
        _ image: Image, _ container: Container, _ served: ServedSnapshot, _ repository: Repository,
        _ beginning: ContinuousClock.Instant, _ ahead: Task<Void, Never>
    ) {
        self.image = image
        self.container = container
        self.served = served
        self.repository = repository
        self.beginning = beginning
        self.ahead = ahead
    }

    /// Waits for the program's end. When the task is cancelled, the container is killed.
    public func ended() async throws -> ContainerSummary {
        defer { ahead.cancel() }
        let status = try await container.ended()
        let totals = repository.totals
        let counters = image.counters
        return ContainerSummary(
            status: status, objects: totals.objects, bytesFetched: totals.bytes, requests: totals.requests,
            roundTrips: totals.roundTrips,
            filesRead: served.filesRead, imageFiles: counters?.regular, imageBytes: counters?.fileBytes,
            timeToStart: container.timeToStart, timeTotal: .now - beginning)
    }
}
