import ArgumentParser
import CVMFS
import Provisioner

struct Pin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keeps an image complete in the cache: from then on it needs no network.",
        discussion: """
            Fetches everything that the image still lacks and keeps it from eviction, until --release. Run again after \
            an interruption, it goes on where it was.
            """)

    @OptionGroup var repository: RepositoryOptionGroup

    @Argument(help: "The image's folder in the repository.")
    var path: String

    @Flag(help: "Let its objects be evicted again. Needs no server.")
    var release = false

    func run() async throws {
        if release { return try await releasePins() }
        let (opened, store) = try await repository.openImage(path)
        let report = try await opened.image.complete(
            in: store,
            progress: { progress in
                let fraction = progress.totalBytes > 0 ? Double(progress.bytes) / Double(progress.totalBytes) : 1
                Progress.show(
                    "\(progress.fetched) of \(progress.missing) files, \(ByteText.of(progress.bytes))",
                    fraction: fraction)
            })
        Progress.clear()
        var output = StandardOutput()
        if repository.json {
            try output.line(Self.json(report.image, fetched: report.fetched))
        } else {
            try output.line(
                "\(counted(report.image.files, "file")), \(ByteText.of(report.image.bytes)) complete in the cache; "
                    + "\(counted(report.fetched, "file")) fetched; "
                    + Session.summary(of: opened.repository))
        }
        try output.flush()
    }

    private func releasePins() async throws {
        let (name, _) = try repository.fqrn()
        let place = RepositoryPath(bytes: RawArgument.bytes(path))
        let pins = PinnedImages(of: try repository.store())
        let found = try pins.all().filter { $0.repository == name && $0.path == place }
        guard !found.isEmpty else {
            throw ProvisionerError(.noSuchRoot, "\(place) of \(name) is not pinned in \(try repository.store().path)")
        }
        for image in found { try pins.release(image) }
    }

    static func json(_ image: PinnedImage, fetched: Int?) -> JSONValue {
        .object([
            ("repository", .string(image.repository)),
            ("path", .string(image.path.description)),
            ("rootHash", .string(image.rootHash.description)),
            ("revision", .unsigned(image.revision)),
            ("complete", .bool(image.isComplete)),
            ("files", .integer(Int64(image.files))),
            ("bytes", .integer(image.bytes)),
            ("objects", .integer(Int64(image.objects))),
            ("fetched", fetched.map { .integer(Int64($0)) } ?? .null),
        ])
    }
}
