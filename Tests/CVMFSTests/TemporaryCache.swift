import CVMFS
import LocalServers

/// An empty cache in a folder that goes with it.
struct TemporaryCache: ~Copyable {
    let store: DiskStore
    let path: FilePath
    private let folder: TemporaryFolder

    init(limit: ByteCount = .gibibytes(4)) throws {
        let folder = try TemporaryFolder("cache")
        let path = FilePath(folder.path).appending("cache")
        store = try DiskStore(at: path, limit: limit)
        self.path = path
        self.folder = folder
    }
}
