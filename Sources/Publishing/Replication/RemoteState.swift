internal import CASCore
internal import Signing
internal import Transport

/// The newest state of a repository as a server has it, verified. Source: format 2.4, 4.4.
struct RemoteState: Sendable {
    let manifest: [UInt8]
    let whitelist: [UInt8]?
    /// The certificate's object as it is stored.
    let certificate: [UInt8]
    let trusted: TrustedManifest
}

/// Gets it.
struct RemoteStateReader: Sendable {
    let name: String
    let transport: any ObjectTransport
    let chain: TrustChain
    let time: UnixTime
    /// The state that the replica has.
    let lastSeen: Breadcrumb?

    /// Asks each server once: a damaged or stale one must not keep the others from being asked.
    func read() async throws -> RemoteState {
        var left: Set<String> = []
        while true {
            var server = ""
            do {
                return try await attempt { server = $0 }
            } catch {
                let isWorthAnother =
                    (error as? SigningError)?.isWorthAnotherServer ?? (error as? CASError)?.isBadData ?? false
                if isWorthAnother, let servers = transport as? FailoverTransport, left.insert(server).inserted,
                    servers.leave(server)
                {
                    continue
                }
                guard error is SigningError || error is CASError else { throw error }
                throw PublishingError(.untrusted, "\(name) on \(server) is not to be trusted", cause: error)
            }
        }
    }

    private func attempt(_ source: (String) -> Void) async throws -> RemoteState {
        let (manifest, server) = try await file(RootFile.manifest, limit: TrustLimits.manifestBytes)
        source(server)
        let named = try Manifest(unverified: manifest)
        if let lastSeen { _ = try lastSeen.admit(named) }
        guard let certificate = named.certificateObject else {
            throw SigningError(.manifestMalformed, "the manifest of \(name) names no certificate (X)")
        }
        let stored = try await file(named.serverPath(of: certificate), limit: TrustLimits.certificateBytes).bytes
        let pem = try certificate.unpack(stored, size: .atMost(Int64(TrustLimits.certificateBytes)))
        var whitelist: [UInt8]?
        if chain.policy.needsWhitelist {
            whitelist = try await file(RootFile.whitelist, limit: TrustLimits.whitelistBytes).bytes
        }
        let trusted = try chain.verify(
            manifest: manifest, whitelist: whitelist, certificate: pem, name: name, at: time, lastSeen: lastSeen,
            certificateHash: certificate.hash)
        return RemoteState(manifest: manifest, whitelist: whitelist, certificate: stored, trusted: trusted)
    }

    private func file(_ path: String, limit: Int) async throws -> (bytes: [UInt8], server: String) {
        let sink = MemorySink(limit: limit)
        let request = TransferRequest(path, limit: Int64(limit), bypassesCaches: true)
        do {
            let source = try await transport.fetch(request, into: sink).source
            return (sink.bytes, source)
        } catch let error as TransportError {
            throw PublishingError(.network, "cannot fetch \(path) of \(name)", cause: error)
        }
    }
}
