internal import CASCore
internal import Catalog

/// The files that are kept of an image, as a tree of their own.
struct ImageRecordSource: TreeSource {
    let label: String
    private var entries: ArraySlice<SourceEntry>

    /// - Parameters:
    ///   - files: names and contents, in the order of the names.
    ///   - time: that of the image's root, so that the same image always gives the same record.
    init(
        _ files: [(name: FileName, content: StoredContent)], label: String, time: (seconds: Int64, nanoseconds: Int32)
    ) {
        self.label = label
        func entry(_ path: RepositoryPath, _ kind: EntryKind, _ permissions: UInt32) -> SourceEntry {
            SourceEntry(
                path: path, kind: kind, permissions: permissions, mtime: time.seconds,
                mtimeNanoseconds: time.nanoseconds)
        }
        entries = [entry(.root, .directory, 0o755)]
        for file in files {
            var made = entry(.root.appending(file.name), .file, 0o644)
            made.content = .stored(file.content)
            entries.append(made)
        }
    }

    mutating func next() -> SourceEntry? { entries.popFirst() }
}

/// The tree of an image that becomes the whole repository, with the record of it inside.
struct RecordedRootSource: TreeSource {
    private var image: StagedTreeSource
    private var record: [SourceEntry]
    private var held: SourceEntry?
    private var isRecordGiven = false

    var label: String { image.label }

    init(_ image: StagedTreeSource, record: ImageRecordSource) {
        self.image = image
        var record = record
        var entries: [SourceEntry] = []
        let folder = ImageRecord.folder(of: .root)
        while var entry = record.next() {
            if entries.isEmpty, let parent = folder.parent {
                var above = entry
                above.path = parent
                entries.append(above)
            }
            entry.path = folder.appending(entry.path)
            entries.append(entry)
        }
        // In reverse, so that the next one is last.
        self.record = entries.reversed()
    }

    mutating func next() throws(PublishingError) -> SourceEntry? {
        if isRecordGiven, let entry = record.popLast() { return entry }
        if let entry = held {
            held = nil
            return entry
        }
        let entry = try image.next()
        guard !isRecordGiven else { return entry }
        if let entry {
            guard let first = entry.path.components.first else { return entry }
            guard first != ImageRecord.folderName else {
                throw PublishingError(
                    .unsupported,
                    "\(label) has a /\(first), where its record goes when it becomes the whole repository: choose --at PATH"
                )
            }
            guard ImageRecord.folderName < first else { return entry }
        }
        // Its place has come.
        isRecordGiven = true
        held = entry
        return record.popLast() ?? held.take()
    }
}
