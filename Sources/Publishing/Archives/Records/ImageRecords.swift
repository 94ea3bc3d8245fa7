public import CASCore
public import CVMFS
internal import Catalog

/// The records of images in a repository.
extension Snapshot {
    /// The record of the image at a path; `nil` when none is there.
    public func imageRecord(at path: RepositoryPath) async throws -> ImageRecord? {
        let file = ImageRecord.folder(of: path).appending(ImageRecord.fileName)
        guard let entry = try await entryIfPresent(at: file) else { return nil }
        return try ImageRecord.decoded(try await document(entry), at: file)
    }

    /// All records, with the paths of the images, in the order of a walk.
    public func imageRecords() async throws -> [(path: RepositoryPath, record: ImageRecord)] {
        let folder = RepositoryPath.root.appending(ImageRecord.folderName)
        guard try await entryIfPresent(at: folder) != nil else { return [] }
        var records: [(path: RepositoryPath, record: ImageRecord)] = []
        for try await entry in walk(folder) where entry.name == ImageRecord.fileName && entry.kind == .file {
            guard let place = entry.path.parent, let path = place.relative(to: folder) else { continue }
            let isRoot = place == ImageRecord.folder(of: .root)
            records.append((isRoot ? .root : path, try ImageRecord.decoded(try await document(entry), at: entry.path)))
        }
        return records
    }

    /// The image's configuration (an OCI image's or docker's; of an AppC image its manifest), byte by byte.
    ///
    /// - Throws: `PublishingError` with `noSuchEntry` when no image was published there.
    public func imageConfiguration(at path: RepositoryPath) async throws -> [UInt8] {
        guard let bytes = try await imageDocument(ImageRecord.configurationName, at: path) else {
            throw PublishingError(.noSuchEntry, "\(path) has no record of an image (\(ImageRecord.folder(of: path)))")
        }
        return bytes
    }

    func imageDocument(_ name: FileName, at path: RepositoryPath) async throws -> [UInt8]? {
        let file = ImageRecord.folder(of: path).appending(name)
        guard let entry = try await entryIfPresent(at: file) else { return nil }
        return try await document(entry)
    }

    private func document(_ entry: Entry) async throws -> [UInt8] {
        guard entry.kind == .file, entry.size <= ImageLimits.documentBytes else {
            throw PublishingError(
                .corrupt, "\(entry.path) is no file of at most \(ImageLimits.documentBytes) bytes")
        }
        return try await file(entry).readAll(limit: Int64(ImageLimits.documentBytes))
    }
}
