public import CASCore
public import Signing
internal import Synchronization
public import Transport

/// A CernVM-FS repository, verified and ready to be read.
///
/// Opening it fetches and proves the newest state in three serial round trips. What it holds is then read through
/// snapshots, which never change; when the time to live is over, the next `snapshot(.newest)` asks the servers again.
/// When no server answers, what the cache holds stays readable.
public final class Repository: Sendable {
    /// Seconds after which the servers are asked again when they did not answer. Source: format 6.1.
    private static let offlineTimeToLive: Int64 = 180

    private struct State {
        var established: TrustEstablishment.State?
        var newest: Snapshot?
        var checked: ContinuousClock.Instant
    }

    /// The one thing that several callers at a time may want of a repository.
    private enum Search: Hashable, Sendable {
        case newest
    }

    /// The repository's name (fqrn).
    public let name: String
    package let fetcher: ObjectFetcher
    private let options: RepositoryOptions
    // Absent when the caller named a root hash and trusts nothing else.
    private let establishment: TrustEstablishment?
    private let state: Mutex<State>
    private let searches = SingleFlight<Search, Snapshot>()

    private init(
        name: String, fetcher: ObjectFetcher, options: RepositoryOptions, establishment: TrustEstablishment?
    ) {
        self.name = name
        self.fetcher = fetcher
        self.options = options
        self.establishment = establishment
        state = Mutex(State(checked: .now))
    }

    // MARK: Opening

    /// Opens a repository.
    ///
    /// - Parameters:
    ///   - name: the repository's name (fqrn).
    ///   - servers: URLs of the repository (http, https, file), tried in order; may hold `@fqrn@` and `@org@`.
    ///   - trust: whom to believe about it.
    ///   - cache: where objects are kept; one store can serve many repositories.
    ///   - transport: proxy, time limits.
    ///   - options: clock, logs, variables of symlinks, bounds.
    /// - Throws: `CVMFSError`, with `.untrusted`, `.unreachable`, `.noKeys`, `.invalidArgument`, `.corrupt`, `.storage`.
    public static func open(
        _ name: String, from servers: [String], trusting trust: RepositoryTrust, cache: any ObjectStore,
        transport: HTTPOptions = HTTPOptions(), options: RepositoryOptions = RepositoryOptions()
    ) async throws -> Repository {
        _ = try RepositoryName(name)
        do {
            let servers = try FailoverTransport(servers: servers, repository: name, options: transport)
            return try await open(name, through: servers, trusting: trust, cache: cache, options: options)
        } catch let error as TransportError where error.code == .invalidConfiguration {
            throw CVMFSError(.invalidArgument, error.message, cause: error)
        }
    }

    /// Opens a repository at a state that was proven before, and asks no server: `refresh` does.
    ///
    /// - Parameter root: what this program has shown of the repository already, as one that takes a mount over.
    package static func resume(
        _ name: String, from servers: [String], trusting trust: RepositoryTrust, cache: any ObjectStore,
        transport: HTTPOptions, options: RepositoryOptions, at root: ContentHash
    ) async throws -> Repository {
        _ = try RepositoryName(name)
        let servers = try FailoverTransport(servers: servers, repository: name, options: transport)
        let repository = try await make(name, through: servers, trusting: trust, cache: cache, options: options)
        let snapshot = try await repository.snapshot(root: root, size: 0, tag: nil)
        repository.state.withLock { $0.newest = snapshot }
        return repository
    }

    /// Opens a repository through a transport of the caller's.
    public static func open(
        _ name: String, through transport: any ObjectTransport, trusting trust: RepositoryTrust,
        cache: any ObjectStore, options: RepositoryOptions = RepositoryOptions()
    ) async throws -> Repository {
        _ = try RepositoryName(name)
        let repository = try await make(name, through: transport, trusting: trust, cache: cache, options: options)
        if case .root(let hash) = trust.kind {
            let snapshot = try await repository.snapshot(root: hash, size: 0, tag: nil)
            repository.state.withLock { $0.newest = snapshot }
        } else {
            _ = try await repository.refresh()
        }
        return repository
    }

    /// Puts one together, without any state yet.
    private static func make(
        _ name: String, through transport: any ObjectTransport, trusting trust: RepositoryTrust,
        cache: any ObjectStore, options: RepositoryOptions
    ) async throws -> Repository {
        let fetcher = ObjectFetcher(
            store: cache, transport: transport, external: options.externalTransport, logger: options.logger)
        let policy: any TrustPolicy
        switch trust.kind {
        case .root: return Repository(name: name, fetcher: fetcher, options: options, establishment: nil)
        case .keys(let keys): policy = WhitelistPolicy(masterKeys: keys)
        case .keyFiles(let paths):
            policy = WhitelistPolicy(
                masterKeys: try await BlockingPool.shared.run { try MasterKeyFiles.keys(in: paths) })
        case .policy(let other): policy = other
        }
        let memory = (options.stateFolder ?? cache.stateFolder).map { TrustMemory(folder: $0, repository: name) }
        return Repository(
            name: name, fetcher: fetcher, options: options,
            establishment: TrustEstablishment(
                name: name, policy: policy, fetcher: fetcher, memory: memory, options: options))
    }

    // MARK: Snapshots

    /// A state of the repository.
    ///
    /// - Throws: `CVMFSError`, with `.noSuchTag` when no tag fits.
    public func snapshot(_ selector: SnapshotSelector = .newest) async throws -> Snapshot {
        switch selector {
        case .newest: try await newest()
        case .root(let hash): try await snapshot(root: hash, size: 0, tag: nil)
        case .tag(let name): try await snapshot(of: tag(named: name))
        case .date(let time): try await snapshot(of: tag(notAfter: time))
        }
    }

    /// Asks the servers for a newer state now, whether the time to live is over or not.
    ///
    /// Several calls at a time make one search. When no server answers, the state in use stays the newest, and
    /// `offlineReason` says why.
    @discardableResult
    public func refresh() async throws -> Snapshot {
        guard let establishment else {
            // Opened by a root hash alone: that is its newest state, and no server is asked for another.
            guard let snapshot = state.withLock({ $0.newest }) else { throw CancellationError() }
            return snapshot
        }
        return try await searches.value(of: .newest, priority: .demand) { [self] in
            adopt(try await establishment.newest(known: state.withLock { $0.established }))
        }
    }

    /// Why the newest state may not be the newest: what went wrong when the servers were last asked.
    public var offlineReason: (any Error)? { state.withLock { $0.established?.offline } }

    /// Seconds until the servers should be asked again after they were; from the root catalog.
    public var timeToLive: Int64 {
        guard let established = state.withLock({ $0.established }) else { return 0 }
        guard established.offline == nil else { return Self.offlineTimeToLive }
        let ttl = established.root.timeToLive
        return min(ttl, options.maximumTimeToLive ?? ttl)
    }

    /// What has been proven of the newest state; `nil` when the repository was opened by a root hash alone.
    public var trusted: TrustedManifest? { state.withLock { $0.established?.trusted } }

    /// The server that delivered the newest manifest; `nil` when it is the one remembered.
    public var answeringServer: String? {
        state.withLock { state in state.established.flatMap { $0.source.isEmpty ? nil : $0.source } }
    }

    // MARK: Observation

    /// Every object fetched from now on: why, from where, how long it took, how many bytes came.
    ///
    /// A listener that does not keep up loses the oldest events.
    public func events() -> AsyncStream<FetchEvent> { fetcher.events.listen() }

    /// What the repository has cost since it was opened.
    public var totals: FetchTotals { fetcher.counters.current }

    // MARK: Inside

    private func newest() async throws -> Snapshot {
        let current = state.withLock { state in state.newest.map { ($0, state.checked) } }
        if let (snapshot, checked) = current, ContinuousClock.now - checked < .seconds(timeToLive) { return snapshot }
        return try await refresh()
    }

    private func adopt(_ new: TrustEstablishment.State) -> Snapshot {
        state.withLock { state in
            state.checked = .now
            state.established = new
            if let newest = state.newest, newest.rootHash == new.root.hash { return newest }
            let snapshot = Snapshot(repository: name, root: new.root, tag: nil, fetcher: fetcher, options: options)
            state.newest = snapshot
            return snapshot
        }
    }

    func snapshot(root hash: ContentHash, size: Int64, tag: String?) async throws -> Snapshot {
        if let newest = state.withLock({ $0.newest }), newest.rootHash == hash, tag == nil { return newest }
        // Who names a hash alone may mean any catalog: a nested one is a root file system too.
        let root =
            tag == nil
            ? try await CatalogTree.open(known: hash, size: size, at: .root, fetcher: fetcher)
            : try await CatalogTree.open(hash, size: size, at: .root, fetcher: fetcher)
        return Snapshot(repository: name, root: root, tag: tag, fetcher: fetcher, options: options)
    }
}
