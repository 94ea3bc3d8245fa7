internal import CASCore
internal import Publishing

extension ObjectUploaderConformance.Requirement {
    /// What is asked of the files of the repository's root.
    static let rootRequirements: [Self] = [
        Self("a file of the root that was never written is none") { subject in
            try require(try await subject.uploader.read(".cvmfspublished", limit: 100) == nil, "there is a manifest")
            try require(try await subject.served(".cvmfspublished") == nil, "a manifest is served")
        },
        Self("files of the root are replaced, read back, and served") { subject in
            for size in [5, 100_000, 0, 1] {
                let bytes = SampleObject.content(size: size, seed: UInt64(200 + size))
                try await subject.uploader.replace(".cvmfspublished", with: bytes)
                try require(
                    try await subject.uploader.read(".cvmfspublished", limit: 1 << 20) == bytes,
                    "\(size) bytes are read back otherwise")
                try require(
                    try await subject.served(".cvmfspublished") == bytes, "\(size) bytes are served otherwise")
            }
            try await subject.uploader.replace(".cvmfsreflog", with: [1])
            try require(
                try await subject.uploader.read(".cvmfspublished", limit: 10)?.count == 1, "another file was replaced")
        },
        Self("a file of just the limit is read, a longer one is refused") { subject in
            try await subject.uploader.replace(".cvmfswhitelist", with: [UInt8](repeating: 7, count: 1000))
            try require(
                try await subject.uploader.read(".cvmfswhitelist", limit: 1000)?.count == 1000,
                "1000 of 1000 bytes are not read")
            try await requireRefusal(.corrupt, of: "reading 1000 bytes with a limit of 999") {
                _ = try await subject.uploader.read(".cvmfswhitelist", limit: 999)
            }
        },
        Self("a name that leads elsewhere is refused") { subject in
            for name in ["", ".", "..", "../outside", "folder/file", "/absolute", "zero\0byte"] {
                try await requireRefusal(.invalidArgument, of: "replacing \(name.debugDescription)") {
                    try await subject.uploader.replace(name, with: [1])
                }
                try await requireRefusal(.invalidArgument, of: "reading \(name.debugDescription)") {
                    _ = try await subject.uploader.read(name, limit: 10)
                }
            }
        },
        Self("whoever reads while a file of the root is replaced gets the old one or the new one") { subject in
            let versions = (0..<8).map { [UInt8](repeating: UInt8($0), count: 20_000 + 1000 * $0) }
            try await subject.uploader.replace(".cvmfspublished", with: versions[0])
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for version in versions { try await subject.uploader.replace(".cvmfspublished", with: version) }
                }
                for _ in 0..<2 {
                    group.addTask {
                        for _ in versions {
                            let served = try await subject.served(".cvmfspublished")
                            try require(served.map(versions.contains) == true, "neither the old file nor the new one")
                        }
                    }
                }
                try await group.waitForAll()
            }
            try require(try await subject.served(".cvmfspublished") == versions.last, "the last file has not won")
        },
    ]
}
