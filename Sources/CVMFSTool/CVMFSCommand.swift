import ArgumentParser
import CVMFS
import Transport

/// The command line `cvmfs`: one subcommand a file in `Commands`, all of them thin over the library.
struct CVMFSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cvmfs",
        abstract: "Reads, mounts, runs and publishes CernVM-FS repositories.",
        discussion: """
            NAME is a repository's name (images.example.org), with --server for where it is, or its whole URL \
            (http://host/cvmfs/images.example.org, file:///srv/cvmfs/images.example.org).
            """,
        version: "0.1.0",
        subcommands: [ServeMount.self, KeepMount.self],
        groupedSubcommands: [
            CommandGroup(
                name: "Read",
                subcommands: [
                    List.self,
                    Stat.self,
                    Cat.self,
                    Find.self,
                    Get.self,
                    Info.self,
                    Tags.self,
                    Verify.self,
                ]),
            CommandGroup(
                name: "Mount and run",
                subcommands: [
                    Mount.self,
                    Unmount.self,
                    Status.self,
                    Explain.self,
                    Run.self,
                    Provision.self,
                    Roots.self,
                    Pin.self,
                ]),
            CommandGroup(
                name: "Publish",
                subcommands: [
                    Init.self,
                    Publish.self,
                    ImageCommand.self,
                    TagCommand.self,
                    Diff.self,
                    Resign.self,
                    Collect.self,
                    Check.self,
                    Pull.self,
                    Serve.self,
                ]),
        ])
}

/// Where the program begins: the parser gets the arguments with all their bytes.
@main
enum Program {
    static func main() async {
        let arguments = RawArgument.all
        // Loading libcurl takes as long as understanding the arguments.
        if arguments.contains(where: { $0.hasPrefix("http://") || $0.hasPrefix("https://") }) {
            HTTPEventLoop.shared.prepare()
        }
        await CVMFSCommand.main(arguments)
    }
}
