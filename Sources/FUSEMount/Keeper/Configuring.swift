internal import CPlatform
internal import CVMFS
internal import FUSE
internal import Glibc
internal import Logging
internal import Signing
internal import SystemPackage
internal import Transport

/// What a configuration means for the modules below.
extension MountConfiguration {
    /// Opens the repository.
    ///
    /// - Parameter root: what the mount shows already; then no server is asked.
    func open(_ store: any ObjectStore, root: ContentHash?) async throws -> Repository {
        var options = RepositoryOptions()
        options.logger.logLevel = .critical
        // The kernel keeps what was looked up.
        options.cachedEntries = 256
        options.loadedCatalogs = MountLimits.loadedCatalogs
        options.maximumTimeToLive = maximumTimeToLive
        let blacklist = FilePath(blacklist)
        options.blacklist = { try BlacklistFile.read(blacklist) ?? .empty }
        var transport = HTTPOptions(proxy: try Proxy(proxy))
        if let timeout {
            transport.directTimeout = .seconds(timeout)
            transport.proxyTimeout = .seconds(timeout)
        }
        if !externalServers.isEmpty {
            options.externalTransport = try FailoverTransport(
                servers: externalServers, repository: repository, options: transport)
        }
        let trust: RepositoryTrust
        if case .root(let text) = state, let hash = ContentHash(text) {
            trust = .rootHash(hash)
        } else {
            let files = keys.isEmpty ? MasterKeyFiles.standardPaths(for: repository) : keys.map { FilePath($0) }
            guard !files.isEmpty else {
                throw CVMFSError(
                    .noKeys,
                    "no master key for \(repository): give --key FILE, or put it at /etc/cvmfs/keys/\(repository).pub")
            }
            trust = .masterKeys(in: files)
        }
        if let root {
            return try await Repository.resume(
                repository, from: servers, trusting: trust, cache: store, transport: transport, options: options,
                at: root)
        }
        return try await Repository.open(
            repository, from: servers, trusting: trust, cache: store, transport: transport, options: options)
    }

    var selector: SnapshotSelector {
        switch state {
        case .newest: .newest
        case .tag(let name): .tag(name)
        case .date(let seconds): .date(UnixTime(seconds))
        case .root(let text): ContentHash(text).map { .root($0) } ?? .newest
        }
    }

    var mountOptions: MountOptions {
        MountOptions(
            source: repository, subtype: "cvmfs", isReadOnly: true, allowOther: allowOther ?? (geteuid() == 0),
            defaultPermissions: checksPermissions, noExecution: noExecution, device: device, helper: helper)
    }

    var wishes: Wishes {
        var features = Features.usual
        switch reading ?? .cached {
        case .cached: break
        case .direct:
            features.remove(.noOpen)
            features.insert(.mappedDirectIO)
        // The kernel lets nobody else do it, and takes one overlay less on such a mount.
        case .passthrough: if geteuid() == 0 { features.insert(.passthrough) }
        }
        for word in without {
            if let feature = Features(word: word) { features.remove(feature) }
        }
        return Wishes(features: features)
    }

    var workerCount: Int { workers ?? max(2, Int(cplatform_processor_count())) }
}

extension Features {
    /// A single feature, by its word.
    init?(word: String) {
        guard let bit = (0..<64).first(where: { Features(rawValue: 1 << UInt64($0)).words == [word] }) else {
            return nil
        }
        self = Features(rawValue: 1 << UInt64(bit))
    }
}
