import ArgumentParser
import CVMFS
import FUSEMount

struct Unmount: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "umount", abstract: "Unmounts what cvmfs mount has mounted, also when its processes are dead.")

    @Argument(help: "Where it is mounted.")
    var mountpoint: String

    @Flag(help: "Also while it is in use: it vanishes, and those who use it get errors.")
    var lazy = false

    func run() async throws {
        let (path, isLazy) = (mountpoint, lazy)
        try await BlockingPool.shared.run { try MountControl(mountpoint: path).unmount(lazily: isLazy) }
    }
}
