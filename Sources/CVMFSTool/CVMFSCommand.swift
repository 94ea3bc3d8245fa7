import ArgumentParser
import CVMFS

/// The command line `cvmfs`: one subcommand a file in `Commands`, all of them thin over the library.
struct CVMFSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cvmfs",
        abstract: "Reads CernVM-FS repositories: verified, lazily, through a local cache.",
        discussion: """
            NAME is a repository's name (images.example.org), with --server for where it is, or its whole URL \
            (http://host/cvmfs/images.example.org, file:///srv/cvmfs/images.example.org).
            """,
        version: "0.1.0",
        subcommands: [
            List.self,
            Stat.self,
            Cat.self,
            Find.self,
            Get.self,
            Info.self,
            Tags.self,
            Verify.self,
            Publish.self,
            ImageCommand.self,
            Init.self,
            Resign.self,
            TagCommand.self,
            Diff.self,
            Collect.self,
            Pull.self,
            Serve.self,
            Run.self,
            Pin.self,
            Mount.self,
            Unmount.self,
            Status.self,
            Explain.self,
            ServeMount.self,
            KeepMount.self,
            List.self, Stat.self, Cat.self, Find.self, Get.self, Info.self, Tags.self, Verify.self,
            Publish.self, ImageCommand.self, Check.self, Init.self, Resign.self, TagCommand.self, Diff.self,
            Collect.self,
        ])
}

/// Where the program begins: the parser gets the arguments with all their bytes.
@main
enum Program {
    static func main() async { await CVMFSCommand.main(RawArgument.all) }
}
