import CVMFS

/// Docs/Embedding.md
func openWithSettings(keys: [MasterKey], memory: ByteCount, folder: FilePath) async throws -> Repository {
    var options = RepositoryOptions()
    options.symlinkVariables = .only(["OSG_APP": "/opt/osg"])
    options.maximumTimeToLive = 60
    let cache = TieredStore([MemoryStore(limit: memory), try DiskStore(at: folder)])
    return try await Repository.open(
        "images.example.org", from: ["http://s1.example.org/cvmfs/@fqrn@", "http://s2.example.org/cvmfs/@fqrn@"],
        trusting: .masterKeys(keys), cache: cache, transport: HTTPOptions(proxy: Proxy("http://squid:3128")),
        options: options)
}
