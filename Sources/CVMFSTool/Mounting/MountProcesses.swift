import ArgumentParser
import CVMFS
import FUSEMount

/// The process that serves a mount; its keeper starts it, with a socket as descriptor 3.
struct ServeMount: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "serve-mount", shouldDisplay: false)

    func run() async throws { try await MountWorker.run(keeper: 3) }
}

/// The keeper of a mount in the background; `cvmfs mount --daemon` starts it, with a socket as descriptor 3.
struct KeepMount: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "keep-mount", shouldDisplay: false)

    func run() async throws {
        let program = try ThisProgram.path
        try await BlockingPool.shared.run { try MountControl.keepDetached(descriptor: 3, program: program) }
    }
}
