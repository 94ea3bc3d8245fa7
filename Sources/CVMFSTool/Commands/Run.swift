import ArgumentParser
import CVMFS
import Provisioner

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Starts a program in an image, and fetches only what it touches.",
        discussion: """
            The program runs in namespaces of its own (mount, pid, uts, ipc; a user namespace when not root) and sees \
            the image as its root, with changes in memory or in --layer. Network, terminal and standard streams are the \
            caller's. Everything is gone when it ends, in whatever way. Exits with the program's own code.
            """)

    @OptionGroup var repository: RepositoryOptionGroup

    @Argument(help: "The image's folder in the repository.")
    var path: String

    @OptionGroup var container: ContainerOptionGroup

    @Flag(help: "Say nothing at the end.")
    var quiet = false

    @Argument(parsing: .postTerminator, help: "The program and its words. Default: what the image names.")
    var command: [String] = []

    func run() async throws {
        let beginning = ContinuousClock.now
        let (opened, store) = try await repository.openImage(path)
        let program = try await container.program(command, in: opened.image)
        let running = try await opened.image.start(
            program, from: opened.repository, store: store, options: container.options(), since: beginning)
        running.container.takeSignals()
        let summary = try await running.ended()
        if repository.json {
            Progress.say(String(decoding: Self.json(summary).text, as: UTF8.self))
        } else if !quiet {
            Progress.say(Self.text(summary))
        }
        throw ExitCode(summary.status.exitCode)
    }

    private static func text(_ summary: ContainerSummary) -> String {
        var share = ""
        if let bytes = summary.imageBytes, bytes > 0 {
            let percent = (Double(summary.bytesFetched) / Double(bytes) * 1000).rounded() / 10
            share = " (\(percent) % of the image's \(ByteText.of(bytes)) unpacked)"
        }
        let files = summary.imageFiles.map { " of \($0)" } ?? ""
        return "cvmfs: \(counted(summary.filesRead, "file")) read\(files); "
            + "fetched \(counted(summary.objects, "object")), \(ByteText.of(summary.bytesFetched))\(share) "
            + "in \(counted(summary.requests, "request")), \(summary.roundTrips) after another; "
            + "started after \(milliseconds(summary.timeToStart)) ms, ended after \(milliseconds(summary.timeTotal)) ms"
    }

    private static func milliseconds(_ duration: Duration) -> Int { Int((seconds(duration) * 1000).rounded()) }

    private static func seconds(_ duration: Duration) -> Double { duration / .seconds(1) }

    private static func json(_ summary: ContainerSummary) -> JSONValue {
        .object([
            ("exitCode", .integer(Int64(summary.status.exitCode))),
            ("objects", .integer(Int64(summary.objects))),
            ("bytesFetched", .integer(summary.bytesFetched)),
            ("requests", .integer(Int64(summary.requests))),
            ("roundTrips", .integer(Int64(summary.roundTrips))),
            ("imageBytes", summary.imageBytes.map { .integer($0) } ?? .null),
            ("imageFiles", summary.imageFiles.map { .integer($0) } ?? .null),
            ("filesRead", .integer(Int64(summary.filesRead))),
            ("secondsToStart", .real(seconds(summary.timeToStart))),
            ("secondsTotal", .real(seconds(summary.timeTotal))),
        ])
    }
}
