public import CASCore
internal import Catalog

/// A subtree of a snapshot as a root of its own: what a container sees as `/`.
///
/// Paths and symlinks resolve inside it and never lead outside, as the kernel's `openat2` does with RESOLVE_IN_ROOT.
/// Entries keep their paths in the repository.
public struct Image: Sendable {
    public let snapshot: Snapshot
    /// Where the image is in the snapshot.
    public let root: RepositoryPath

    init(snapshot: Snapshot, root: RepositoryPath) {
        self.snapshot = snapshot
        self.root = root
    }

    /// The entry that a path leads to.
    ///
    /// - Parameters:
    ///   - path: inside the image; a relative one starts at its root. A trailing slash demands a directory.
    ///   - followsSymlink: whether a symlink at the end is followed; those on the way always are.
    /// - Throws: `CVMFSError` with `.noSuchEntry`, `.notADirectory`, `.tooManySymlinks`, `.unreachable`, `.corrupt`.
    public func entry(at path: ImagePath, followsSymlink: Bool = true) async throws -> Entry {
        var resolution = PathResolution(path.bytes, followsLast: followsSymlink)
        while true {
            switch resolution.next() {
            case .lookUp(let step):
                try advance(&resolution, step, to: await snapshot.entryIfPresent(at: root.appending(step)))
            case .resolved(let path): return try await snapshot.entry(at: root.appending(path))
            case .failed(let failure): throw error(failure)
            }
        }
    }

    /// The entry that a path leads to, from the catalogs loaded so far, or `nil` when a catalog has to be fetched.
    ///
    /// Never waits for the network. Throws like `entry(at:)`.
    public func cachedEntry(at path: ImagePath, followsSymlink: Bool = true) throws -> Entry? {
        var resolution = PathResolution(path.bytes, followsLast: followsSymlink)
        while true {
            switch resolution.next() {
            case .lookUp(let step):
                switch try snapshot.cachedEntry(at: root.appending(step)) {
                case .entry(let entry): try advance(&resolution, step, to: entry)
                case .absent: try advance(&resolution, step, to: nil)
                case .unknown: return nil
                }
            case .resolved(let path):
                if case .entry(let entry) = try snapshot.cachedEntry(at: root.appending(path)) { return entry }
                return nil
            case .failed(let failure): throw error(failure)
            }
        }
    }

    /// A file that symlinks may lead to, ready to be read; nothing of its content is fetched yet.
    public func file(_ path: ImagePath) async throws -> File { try await snapshot.file(entry(at: path)) }

    /// Opens a file through symlinks: fetched now and verified, and pinned in the cache while the result is held.
    ///
    /// A chunked file is opened lazily: its chunks are fetched as they are read.
    public func open(_ path: ImagePath) async throws -> File {
        let file = try await file(path)
        if !file.entry.isChunked { try await file.load() }
        return file
    }

    /// The file if it can be read without the network, and `nil` otherwise: for a chunked one, all chunks are cached.
    public func cached(_ path: ImagePath) throws -> File? {
        guard let entry = try cachedEntry(at: path), let file = try snapshot.cachedFile(entry),
            file.availability == .complete
        else { return nil }
        return file
    }

    /// The entries of a directory, sorted by the bytes of their names.
    public func list(_ path: ImagePath = "/") async throws -> DirectoryListing {
        try await snapshot.list(entry(at: path).path)
    }

    /// A symlink's target.
    public func readlink(_ path: ImagePath) async throws -> [UInt8] {
        try await snapshot.readlink(entry(at: path, followsSymlink: false).path)
    }

    /// Everything in the image, depth first.
    public func walk() -> Walk { snapshot.walk(root) }

    // MARK: Inside

    private func advance(_ resolution: inout PathResolution, _ step: RepositoryPath, to entry: Entry?) throws {
        guard let entry else {
            throw CVMFSError(
                .noSuchEntry, "\(root.appending(step)) does not exist in \(snapshot.repository) at \(snapshot.rootHash)"
            )
        }
        let found: PathResolution.Found =
            switch entry.kind {
            case .directory: .directory
            case .symlink: .symlink(target: snapshot.target(of: entry))
            default: .other
            }
        if let failure = resolution.found(found) { throw error(failure) }
    }

    private func error(_ failure: PathResolution.Failure) -> CVMFSError {
        switch failure {
        case .notADirectory(let path):
            CVMFSError(.notADirectory, "\(root.appending(path)) is not a directory")
        case .tooManySymlinks(let path):
            CVMFSError(
                .tooManySymlinks,
                "\(root.appending(path)): more than \(PathResolution.maximumSymlinks) symlinks on one path, or an empty one"
            )
        case .tooLong: CVMFSError(.tooManySymlinks, "symlinks make the path longer than any may be")
        }
    }
}
