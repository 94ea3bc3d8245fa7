public import CVMFS

/// Everything that an image consists of: its catalogs, those on the way to it, its files, and its configuration.
public struct ImageContent: Sendable {
    /// All objects, each once.
    public private(set) var objects: Set<ObjectID> = []
    /// Regular files, hardlinks counted by their names.
    public private(set) var files = 0
    /// Bytes of the files' content, what files share counted once.
    public private(set) var bytes: Int64 = 0
    /// What is to be fetched for it: one entry of a snapshot for each content.
    private(set) var entries: [Needed] = []

    /// A file and the objects that it is made of.
    struct Needed: Sendable {
        let entry: Entry
        let objects: [ObjectID]
    }

    init() {}

    /// Walks an image. Its catalogs are in the cache afterwards.
    public static func of(_ image: Image) async throws -> ImageContent {
        var content = ImageContent()
        let snapshot = image.snapshot
        content.objects.insert(ObjectID(snapshot.rootHash, kind: .catalog))
        try await content.addCatalogs(above: image.root, in: snapshot)
        for try await entry in image.walk() { try await content.add(entry, in: snapshot) }
        let configuration = ImageConfiguration.place(ofImageAt: image.root)
        if let entry = try await snapshot.entryIfPresent(at: configuration), entry.kind == .file {
            try await content.addCatalogs(above: configuration, in: snapshot)
            try await content.add(entry, in: snapshot)
        }
        // Roots that never were container images are asked for their users too, which lie in the image.
        return content
    }

    /// The nested catalogs that a path lies in.
    private mutating func addCatalogs(above path: RepositoryPath, in snapshot: Snapshot) async throws {
        var place = RepositoryPath.root
        for name in path.components {
            place = place.appending(name)
            guard let entry = try await snapshot.entryIfPresent(at: place) else { return }
            if let nested = try await snapshot.nestedCatalog(at: entry) { objects.insert(nested.object) }
        }
    }

    private mutating func add(_ entry: Entry, in snapshot: Snapshot) async throws {
        if entry.isNestedMountpoint || entry.isBindMountpoint, let nested = try await snapshot.nestedCatalog(at: entry)
        {
            objects.insert(nested.object)
        }
        guard entry.kind == .file else { return }
        files += 1
        guard entry.size > 0 else { return }
        let parts =
            entry.isChunked
            ? try await snapshot.chunks(of: entry).map(\.object) : entry.attributes.object.map { [$0] } ?? []
        let new = parts.filter { objects.insert($0).inserted }
        guard !new.isEmpty else { return }
        bytes += entry.size
        entries.append(Needed(entry: entry, objects: parts))
    }
}
