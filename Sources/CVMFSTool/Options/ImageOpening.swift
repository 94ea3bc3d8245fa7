import CVMFS
import Provisioner

extension RepositoryOptionGroup {
    /// Opens an image in the state that the options choose, from the cache alone when no server answers and it is
    /// complete there.
    func openImage(_ path: String) async throws -> (OpenedImage, DiskStore) {
        let store = try store()
        let (name, servers) = try fqrn()
        let opened = try await OpenedImage.open(
            name, path: RepositoryPath(bytes: RawArgument.bytes(path)), selector, store: store
        ) { trust in
            guard !servers.isEmpty else { return try await openWithoutServers(name, store, trust) }
            return try await open(in: store, trusting: trust)
        }
        if opened.pinned != nil, let reason = opened.offline {
            Progress.say("cvmfs: no server answers, using the image as it is complete in the cache (\(reason))")
        } else {
            warnWhenOffline(opened.repository)
        }
        return (opened, store)
    }

    /// The repository's name, and its servers if any were named: what is complete in the cache needs none.
    func fqrn() throws -> (name: String, servers: [String]) {
        guard name.contains("://") || !server.isEmpty else { return (name, []) }
        let (fqrn, servers) = try address()
        return (fqrn, servers)
    }

    /// What is complete in the cache is found by its record alone.
    private func openWithoutServers(
        _ fqrn: String, _ store: DiskStore, _ trust: RepositoryTrust?
    ) async throws -> Repository {
        guard let trust else {
            throw CVMFSError(
                .unreachable,
                "no server is named: give --server, or the repository's URL in place of its name")
        }
        return try await Repository.open(fqrn, through: MemoryTransport([:]), trusting: trust, cache: store)
    }
}
