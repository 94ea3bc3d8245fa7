internal import CASCore
internal import CPlatform

/// The indexes of a pipeline, in a folder that one pipeline at a time has. A second one works with temporary indexes.
final class PublishingIndexes: Sendable {
    let ingest: IngestIndex
    let files: FilesIndex
    /// Open and locked for as long as the indexes are in use; negative without a folder.
    private let lock: Int32

    /// - Parameter folder: `nil` for temporary indexes.
    init(in folder: String?, _ options: ContentOptions) {
        lock = folder.map(Self.lock(folder:)) ?? -1
        let folder = lock >= 0 ? folder : nil
        ingest = IngestIndex(
            folder.map { "\($0)/ingest.index" }, algorithm: options.algorithm, compression: options.compression)
        files = FilesIndex(folder.map { "\($0)/files.index" }, options)
    }

    deinit {
        commit()
        if lock >= 0 { cplatform_close(lock) }
    }

    func commit() {
        ingest.commit()
        files.commit()
    }

    private static func lock(folder path: String) -> Int32 {
        let folder = cplatform_open_folder(path)
        guard folder >= 0 else { return -1 }
        defer { cplatform_close(folder) }
        var file = cplatform_create_file(folder, "index.lock")
        if file < 0 { file = cplatform_open_file(folder, "index.lock", 1) }
        guard file >= 0 else { return -1 }
        if cplatform_lock(file, 1, 0) >= 0 { return file }
        cplatform_close(file)
        return -1
    }
}
