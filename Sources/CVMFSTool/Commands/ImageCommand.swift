import ArgumentParser
import CASCore
import CVMFS
import FoundationEssentials
import Publishing
import SystemPackage

struct ImageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image",
        abstract: "Lists, describes and proves the container images of a repository.",
        discussion: """
            Of every image that is published its manifest, its configuration and the digests of its layers and of its \
            tree are kept in /.metadata, beside the image.
            """,
        subcommands: [ListImages.self, ShowImage.self, VerifyImage.self])
}

struct ListImages: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the images, one a line: path, digest, platform, name.")

    @OptionGroup var options: StoredImageOptionGroup

    func run() async throws {
        try await options.withSnapshot { session in
            let records = try await session.snapshot.imageRecords()
            var output = StandardOutput()
            if options.repository.json {
                try output.line(.array(records.map { ImageJSON.value($0.record, at: $0.path) }))
            } else {
                for (path, record) in records {
                    let fields = [
                        path.description, record.manifest ?? record.configuration, record.platform ?? "-",
                        record.reference ?? "-",
                    ]
                    try output.line(fields.map { TerminalText.escaped($0) }.joined(separator: "\t"))
                }
            }
            try output.flush()
        }
    }
}

struct ShowImage: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Describes an image, or prints its configuration.")

    @OptionGroup var options: StoredImageOptionGroup

    @Argument(help: "The image's path in the repository.")
    var path: String = "/"

    @Flag(help: "Print the image's own configuration, byte by byte.")
    var configuration = false

    func run() async throws {
        let place = RepositoryPath(bytes: RawArgument.bytes(path))
        try await options.withSnapshot { session in
            var output = StandardOutput()
            if configuration {
                try output.write(try await session.snapshot.imageConfiguration(at: place))
                return try output.flush()
            }
            guard let record = try await session.snapshot.imageRecord(at: place) else {
                throw PublishingError(.noSuchEntry, "\(place) has no record of an image: see cvmfs image list")
            }
            if options.repository.json {
                try output.line(ImageJSON.value(record, at: place))
            } else {
                for line in Self.lines(record, place) { try output.line(TerminalText.escaped(line)) }
            }
            try output.flush()
        }
    }

    private static func lines(_ record: ImageRecord, _ place: RepositoryPath) -> [String] {
        var lines = ["path            \(place)", "format          \(record.format.rawValue)"]
        if let reference = record.reference { lines.append("name            \(reference)") }
        if let platform = record.platform { lines.append("platform        \(platform)") }
        if let manifest = record.manifest { lines.append("manifest        \(manifest)") }
        lines.append("configuration   \(record.configuration)")
        lines.append("tree            \(record.tree), \(record.entries) entries")
        for layer in record.layers {
            let size = layer.size.map { ", \(ByteText.of($0))" } ?? ""
            lines.append("layer           \(layer.digest ?? layer.diffID)\(size)")
        }
        return lines
    }
}

struct VerifyImage: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Proves that a tree is that of the image that was published there.",
        discussion: """
            By the record alone: manifest and configuration are what their digests name, and every entry and content \
            is what it was when the image was published. With --from the image itself is laid out again, without \
            unpacking it to a disk, and compared with every entry and every byte of content. Exit code 1 when \
            something differs.
            """)

    @OptionGroup var options: StoredImageOptionGroup

    @Argument(help: "The image's path in the repository.")
    var path: String = "/"

    @Option(help: ArgumentHelp("The image to compare with.", valueName: "IMAGE"))
    var from: String?

    @Option(help: ArgumentHelp("Which of several images in it, by name.", valueName: "NAME"))
    var image: String?

    @Option(help: ArgumentHelp("Which of several platforms. Default: the one published.", valueName: "OS/ARCH"))
    var platform: String?

    func run() async throws {
        let place = RepositoryPath(bytes: RawArgument.bytes(path))
        try await options.withSnapshot { session in
            let report = try await session.snapshot.verifyImage(
                at: place, against: from.map(RawArgument.filePath), reference: image, platform: platform,
                scratchFolder: FilePath(FileManager.default.temporaryDirectory.path(percentEncoded: false)))
            var output = StandardOutput()
            if options.repository.json {
                try output.line(
                    .object([
                        ("ok", .bool(report.isGenuine)), ("compared", .bool(report.isCompared)),
                        ("entries", .integer(Int64(report.entries))), ("bytes", .integer(report.bytes)),
                        ("differences", .array(report.differences.map { .string($0) })),
                        ("differenceCount", .integer(Int64(report.differenceCount))),
                        ("image", ImageJSON.value(report.record, at: place)),
                    ]))
            } else {
                for difference in report.differences { try output.line(TerminalText.escaped(difference)) }
                let digest = report.record.manifest ?? report.record.configuration
                let how = report.isCompared ? "compared with the image" : "by its record"
                let verdict = report.isGenuine ? "genuine" : "\(report.differenceCount) differences"
                try output.line("\(verdict): \(place) is \(digest), \(report.entries) entries, \(how)")
            }
            try output.flush()
            if !report.isGenuine { throw ExitCode(1) }
        }
    }
}

/// A record as the command line prints it.
enum ImageJSON {
    static func value(_ record: ImageRecord, at path: RepositoryPath) -> JSONValue {
        func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
        return .object([
            ("path", .string(path.description)), ("format", .string(record.format.rawValue)),
            ("reference", optional(record.reference)), ("platform", optional(record.platform)),
            ("manifest", optional(record.manifest)), ("configuration", .string(record.configuration)),
            ("tree", .string(record.tree)), ("entries", .integer(Int64(record.entries))),
            (
                "layers",
                .array(
                    record.layers.map { layer in
                        .object([
                            ("digest", optional(layer.digest)), ("diffID", .string(layer.diffID)),
                            ("mediaType", .string(layer.mediaType)),
                            ("size", layer.size.map { .integer($0) } ?? .null),
                        ])
                    })
            ),
        ])
    }
}
