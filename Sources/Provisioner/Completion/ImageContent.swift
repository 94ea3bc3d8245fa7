public import CVMFS

/// Everything that an image consists of: its catalogs, those on the way to it, its files, and its configuration.
public struct ImageContent: Sendable {
    /// All objects, each once.
    public fileprivate(set) var objects: Set<ObjectID> = []
    /// Regular files, hardlinks counted by their names.
    public fileprivate(set) var files = 0
    /// Bytes of the files' content, what files share counted once.
    public fileprivate(set) var bytes: Int64 = 0

    /// Walks an image. Its catalogs are in the cache afterwards.
    public static func of(_ image: Image) async throws -> ImageContent {
        var walk = ImageContentWalk(image)
        while try await walk.next() != nil {}
        return walk.content
    }
}

/// Finds out what an image consists of, a file at a time.
struct ImageContentWalk {
    /// Objects of a file that no other file before had.
    struct Parts: Sendable {
        let entry: Entry
        let parts: [FilePart]
    }

    /// What was found so far; all of it once `next` has given `nil`.
    private(set) var content = ImageContent()
    private let image: Image
    private var walk: Walk.Iterator
    private var isBegun = false
    private var isOver = false

    init(_ image: Image) {
        self.image = image
        walk = image.walk().makeAsyncIterator()
    }

    /// The next file whose content comes for the first time.
    mutating func next() async throws -> Parts? {
        if !isBegun {
            isBegun = true
            content.objects.insert(ObjectID(image.snapshot.rootHash, kind: .catalog))
            try await addCatalogs(above: image.root)
        }
        while let entry = try await walk.next() {
            try Task.checkCancellation()
            if let parts = try await add(entry) { return parts }
        }
        guard !isOver else { return nil }
        isOver = true
        // Roots that never were container images have none.
        let configuration = ImageConfiguration.place(ofImageAt: image.root)
        guard let entry = try await image.snapshot.entryIfPresent(at: configuration), entry.kind == .file else {
            return nil
        }
        try await addCatalogs(above: configuration)
        return try await add(entry)
    }

    /// The nested catalogs that a path lies in.
    private mutating func addCatalogs(above path: RepositoryPath) async throws {
        var place = RepositoryPath.root
        for name in path.components {
            place = place.appending(name)
            guard let entry = try await image.snapshot.entryIfPresent(at: place) else { return }
            if let nested = try await image.snapshot.nestedCatalog(at: entry) { content.objects.insert(nested.object) }
        }
    }

    private mutating func add(_ entry: Entry) async throws -> Parts? {
        if entry.isNestedMountpoint || entry.isBindMountpoint,
            let nested = try await image.snapshot.nestedCatalog(at: entry)
        {
            content.objects.insert(nested.object)
        }
        guard entry.kind == .file else { return nil }
        content.files += 1
        guard entry.size > 0 else { return nil }
        let chunks = entry.isChunked ? try await image.snapshot.chunks(of: entry) : []
        let parts = try FilePart.parts(of: entry.attributes, at: entry.path, chunks: chunks)
        let new = parts.filter { content.objects.insert($0.id).inserted }
        guard !new.isEmpty else { return nil }
        content.bytes += entry.size
        return Parts(entry: entry, parts: new)
    }
}
