internal import CASCore
internal import Logging
internal import Signing
internal import Transport

/// Gets the newest state of a repository and proves it. Source: format 2.4.
///
/// Manifest and whitelist come together, then certificate and root catalog together: with the connection, three serial
/// round trips. What comes early is in the cache under its hash, but leads nowhere before the chain holds.
struct TrustEstablishment: Sendable {
    /// A state that is proven, and its root catalog.
    struct State: Sendable {
        let trusted: TrustedManifest
        let root: CatalogTree.Mounted
        /// The server that delivered the manifest; empty when it was remembered.
        let source: String
        /// Why the servers were of no use, when this is what was remembered.
        let offline: (any Error)?
    }

    let name: String
    let policy: any TrustPolicy
    let fetcher: ObjectFetcher
    let memory: TrustMemory?
    let options: RepositoryOptions

    /// The newest state that the servers have, or what is remembered when none of them answers.
    ///
    /// - Parameter known: a state in use, whose root catalog need not be loaded again.
    func newest(known: State? = nil) async throws -> State {
        let lastSeen = try await remembered { try $0.breadcrumb() }
        let chain = TrustChain(policy: policy, blacklist: try await blacklist())
        do {
            return try await fromServers(chain, known: known, lastSeen: lastSeen)
        } catch {
            guard Self.isNetwork(error) else { throw error }
            if let known {
                try check(known, against: chain.blacklist)
                return State(trusted: known.trusted, root: known.root, source: "", offline: error)
            }
            guard let state = try await fromMemory(chain, lastSeen: lastSeen, because: error) else { throw error }
            return state
        }
    }

    // MARK: Servers

    private func fromServers(_ chain: TrustChain, known: State?, lastSeen: Breadcrumb?) async throws -> State {
        var failed: Set<String> = []
        while true {
            var server = ""
            do {
                return try await attempt(chain, known: known, lastSeen: lastSeen) { server = $0 }
            } catch let error as SigningError where error.isWorthAnotherServer {
                // Each server gets one chance: a damaged or stale one must not keep the others from being asked.
                guard let servers = fetcher.transport as? FailoverTransport, failed.insert(server).inserted,
                    servers.leave(server)
                else { throw CVMFSError.during("\(name) on \(server) is not to be trusted", error) }
                fetcher.logger.debug("server is not trusted", metadata: ["server": "\(server)", "error": "\(error)"])
            } catch let error as SigningError {
                throw CVMFSError.during("\(name) on \(server) is not to be trusted", error)
            }
        }
    }

    private func attempt(
        _ chain: TrustChain, known: State?, lastSeen: Breadcrumb?, source: (String) -> Void
    ) async throws -> State {
        async let whitelistReply = whitelist()
        let (manifestBytes, server) = try await during("cannot fetch the manifest of \(name)") {
            try await fetcher.file(
                ".cvmfspublished", limit: Int64(TrustLimits.manifestBytes), for: .manifest, bypassesCaches: false)
        }
        source(server)
        let manifest = try Manifest(unverified: manifestBytes)
        if let known, known.trusted.manifest == manifest {
            // Nothing new, and this very text has been verified already.
            _ = try? await whitelistReply
            try check(known, against: chain.blacklist)
            return State(trusted: known.trusted, root: known.root, source: server, offline: nil)
        }
        // Cheap and telling, so it comes before anything more is fetched.
        if let lastSeen { _ = try lastSeen.admit(manifest) }
        async let rootReply = root(manifest, known: known)
        let certificate = try await certificate(of: manifest)
        let whitelistBytes = try await whitelistReply
        let trusted = try chain.verify(
            manifest: manifestBytes, whitelist: whitelistBytes, certificate: certificate, name: name,
            at: options.clock(),
            lastSeen: lastSeen, certificateHash: manifest.certificate)
        let state = State(trusted: trusted, root: try await rootReply, source: server, offline: nil)
        try await remembered { memory in
            try memory.remember(trusted, manifest: manifestBytes, whitelist: whitelistBytes ?? [])
        }
        return state
    }

    private func whitelist() async throws -> [UInt8]? {
        guard policy.needsWhitelist else { return nil }
        return try await during("cannot fetch the whitelist of \(name)") {
            try await fetcher.file(".cvmfswhitelist", limit: Int64(TrustLimits.whitelistBytes), for: .whitelist).bytes
        }
    }

    private func certificate(of manifest: Manifest) async throws -> [UInt8] {
        guard let id = manifest.certificateObject else {
            throw SigningError(.manifestMalformed, "the manifest of \(name) names no certificate (X)")
        }
        return try await during("cannot fetch the certificate of \(name)") {
            let object = try await fetcher.object(
                id, size: .atMost(CompositionLimits.certificateBytes), for: .certificate,
                at: manifest.serverPath(of: id))
            return try object.readAll()
        }
    }

    private func root(_ manifest: Manifest, known: State?) async throws -> CatalogTree.Mounted {
        if let known, known.root.hash == manifest.rootCatalog { return known.root }
        return try await CatalogTree.open(
            manifest.rootCatalog, size: manifest.rootCatalogSize ?? 0, at: .root, fetcher: fetcher,
            serverPath: manifest.serverPath(of: manifest.rootCatalogObject))
    }

    // MARK: Memory

    private func fromMemory(
        _ chain: TrustChain, lastSeen: Breadcrumb?, because error: any Error
    ) async throws -> State? {
        guard let lastSeen, let letters = try await remembered({ try $0.letters() }) else { return nil }
        let manifest = try Manifest(unverified: letters.manifest)
        guard manifest.rootCatalog == lastSeen.rootCatalog, let id = manifest.certificateObject,
            let certificate = try fetcher.cached(id, size: .atMost(CompositionLimits.certificateBytes))
        else { return nil }
        // It was verified when it was new. A whitelist that has expired since does not make what is here less genuine.
        var time = options.clock()
        if let whitelist = try? Whitelist(unverified: letters.whitelist), whitelist.isExpired(at: time) {
            time = UnixTime(whitelist.expires.seconds - 1)
        }
        let trusted = try chain.verify(
            manifest: letters.manifest, whitelist: letters.whitelist, certificate: certificate.readAll(), name: name,
            at: time, lastSeen: lastSeen)
        guard try fetcher.cached(manifest.rootCatalogObject, size: .atMost(CompositionLimits.catalogBytes)) != nil
        else {
            return nil
        }
        let root = try await CatalogTree.open(
            manifest.rootCatalog, size: manifest.rootCatalogSize ?? 0, at: .root, fetcher: fetcher)
        return State(trusted: trusted, root: root, source: "", offline: error)
    }

    // MARK: Parts

    private func blacklist() async throws -> Blacklist {
        let read = options.blacklist
        return try await during("cannot read the blacklist") { try await BlockingPool.shared.run { try read() } }
    }

    /// A state in use that has become blacklisted is used no more. Source: format 2.3, blacklist.
    private func check(_ known: State, against blacklist: Blacklist) throws(SigningError) {
        let trusted = known.trusted
        if blacklist.refuses(trusted.certificate) {
            throw SigningError(
                .certificateBlacklisted, "the certificate of '\(trusted.certificate.subject)' is on the blacklist")
        }
        if blacklist.refuses(revision: trusted.manifest.revision, of: name) {
            throw SigningError(.revisionBlacklisted, "revision \(trusted.manifest.revision) is on the blacklist")
        }
    }

    private func remembered<Result: Sendable>(
        _ body: @escaping @Sendable (TrustMemory) throws -> Result?
    ) async throws -> Result? {
        guard let memory else { return nil }
        return try await BlockingPool.shared.run { try body(memory) }
    }

    private func during<Result>(
        _ doing: String, _ body: () async throws -> Result
    ) async throws -> Result {
        do { return try await body() } catch { throw CVMFSError.during(doing, error) }
    }

    /// Whether servers could not be reached, rather than that they said something wrong.
    private static func isNetwork(_ error: any Error) -> Bool {
        error is TransportError || (error as? CVMFSError)?.code == .unreachable
    }
}
