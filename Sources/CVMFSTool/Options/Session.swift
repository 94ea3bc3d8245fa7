import ArgumentParser
import CASCore
import CVMFS
import Logging
import Signing
import SystemPackage
import Transport

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An opened repository, for the length of one command.
struct Session {
    let repository: Repository
    let snapshot: Snapshot

    /// What the command has cost so far.
    var summary: String { Self.summary(of: repository) }

    static func summary(of repository: Repository) -> String {
        let totals = repository.totals
        return "fetched \(counted(totals.objects, "object")), \(ByteText.of(totals.bytes)) in "
            + "\(counted(totals.requests, "request"))"
            + " (\(totals.hits) were cached)"
    }
}

extension RepositoryOptionGroup {
    /// Opens the repository at the state that the options choose, and runs the command's body on it.
    func withSnapshot(_ body: (Session) async throws -> Void) async throws {
        let repository = try await open()
        let snapshot = try await repository.snapshot(selector)
        warnWhenOffline(repository)
        try await body(Session(repository: repository, snapshot: snapshot))
        if summary { Progress.say(Session.summary(of: repository)) }
    }

    /// Opens the repository, for commands that need no snapshot.
    func open() async throws -> Repository { try await open(in: store()) }

    /// - Parameter other: whom to trust, if not the keys or the root hash of the options.
    func open(in store: DiskStore, trusting other: RepositoryTrust? = nil) async throws -> Repository {
        let (fqrn, servers) = try address()
        var options = RepositoryOptions()
        options.logger.logLevel = .critical
        options.blacklist = { try BlacklistFile.read("/etc/cvmfs/blacklist") ?? .empty }
        if !externalServer.isEmpty {
            options.externalTransport = try FailoverTransport(
                servers: externalServer, repository: fqrn, options: transportOptions)
        }
        let trust: RepositoryTrust =
            if let other {
                other
            } else if let rootHash, let hash = ContentHash(rootHash) {
                .rootHash(hash)
            } else {
                try trust(of: fqrn)
            }
        return try await Repository.open(
            fqrn, from: servers, trusting: trust, cache: store, transport: transportOptions, options: options)
    }

    func warnWhenOffline(_ repository: Repository) {
        if let reason = repository.offlineReason {
            Progress.say("cvmfs: no server answers, showing the newest state in the cache (\(reason))")
        }
    }

    /// The cache.
    func store() throws -> DiskStore { try DiskStore(at: cacheFolder(), limit: cacheLimit) }

    private var transportOptions: HTTPOptions {
        get throws { HTTPOptions(proxy: try Proxy(proxy)) }
    }

    var selector: SnapshotSelector {
        if let rootHash, let hash = ContentHash(rootHash) { return .root(hash) }
        if let tag { return .tag(tag) }
        if let date, let time = UnixTime(date) { return .date(time) }
        return .newest
    }

    /// The fqrn, and the servers' URLs: of NAME itself when it is one.
    func address() throws -> (fqrn: String, servers: [String]) {
        let address = try RepositoryAddress(name, servers: server)
        return (address.fqrn, address.servers)
    }

    private func trust(of fqrn: String) throws -> RepositoryTrust {
        if !key.isEmpty { return .masterKeys(in: key.map(RawArgument.filePath)) }
        let standard = MasterKeyFiles.standardPaths(for: fqrn)
        guard !standard.isEmpty else {
            throw CVMFSError(
                .noKeys,
                "no master key for \(fqrn): give --key FILE, or put it at /etc/cvmfs/keys/\(fqrn).pub")
        }
        return .masterKeys(in: standard)
    }

    private func cacheFolder() throws -> FilePath {
        if let cache { return RawArgument.filePath(cache) }
        if let base = Self.environment("XDG_CACHE_HOME"), base.hasPrefix("/") {
            return FilePath(base).appending("cvmfs")
        }
        guard let home = Self.environment("HOME"), !home.isEmpty else {
            throw CVMFSError(.invalidArgument, "neither HOME nor XDG_CACHE_HOME is set: give --cache DIR")
        }
        return FilePath(home).appending(".cache").appending("cvmfs")
    }

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
