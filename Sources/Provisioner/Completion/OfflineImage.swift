public import CVMFS

/// An image that was opened, from the servers or, when none answers, from what the cache keeps complete.
public struct OpenedImage: Sendable {
    public let repository: Repository
    public let image: Image
    /// The record by which it was opened, because no server answered.
    public let pinned: PinnedImage?
    /// Why the servers were of no use.
    public let offline: (any Error)?

    /// Opens an image in the state that a selector names. When no server answers, the newest complete image of that
    /// repository and path is taken.
    ///
    /// - Parameters:
    ///   - name: the repository's name (fqrn).
    ///   - path: in the repository; no symlink is followed.
    ///   - selector: which state of the repository.
    ///   - store: the cache, which keeps what was pinned.
    ///   - open: opens the repository; with a trust given, by that one.
    /// - Throws: what `open` throws when nothing complete is in the cache.
    public static func open(
        _ name: String, path: RepositoryPath, _ selector: SnapshotSelector, store: DiskStore,
        by open: (RepositoryTrust?) async throws -> Repository
    ) async throws -> OpenedImage {
        let failure: any Error
        do {
            let repository = try await open(nil)
            // Opened by what the cache remembers: an image that is complete is better than a newer one that is not.
            let pinned = repository.offlineReason == nil ? nil : try find(name, path, selector, store)
            guard let pinned else {
                let image = try await repository.snapshot(selector).image(at: path)
                return OpenedImage(
                    repository: repository, image: image, pinned: nil, offline: repository.offlineReason)
            }
            return try await OpenedImage(pinned, because: repository.offlineReason, by: open)
        } catch let error as CVMFSError where error.category == .network { failure = error }
        guard let pinned = try find(name, path, selector, store) else { throw failure }
        return try await OpenedImage(pinned, because: failure, by: open)
    }

    private init(repository: Repository, image: Image, pinned: PinnedImage?, offline: (any Error)?) {
        self.repository = repository
        self.image = image
        self.pinned = pinned
        self.offline = offline
    }

    private init(
        _ pinned: PinnedImage, because reason: (any Error)?, by open: (RepositoryTrust?) async throws -> Repository
    ) async throws {
        let repository = try await open(.rootHash(pinned.rootHash))
        let image = try await repository.snapshot(.root(pinned.rootHash)).image(at: pinned.path)
        self.init(repository: repository, image: image, pinned: pinned, offline: reason)
    }

    private static func find(
        _ name: String, _ path: RepositoryPath, _ selector: SnapshotSelector, _ store: DiskStore
    ) throws -> PinnedImage? {
        let pins = PinnedImages(of: store)
        return switch selector {
        case .newest: try pins.complete(name, path: path)
        case .tag(let tag): try pins.complete(name, path: path, tag: tag)
        case .root(let hash): try pins.complete(name, path: path, root: hash)
        case .date: nil
        }
    }
}
