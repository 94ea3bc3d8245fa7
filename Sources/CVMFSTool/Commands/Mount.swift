import ArgumentParser
import CVMFS
import FUSEMount

struct Mount: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Mounts a repository as a file system.",
        discussion: """
            Serves until it is unmounted or ended by a signal. The mount outlives the process that serves it: when that \
            dies, another takes over, and no program notices.
            """)

    @OptionGroup var repository: RepositoryOptionGroup

    @Argument(help: "An existing folder.")
    var mountpoint: String

    @OptionGroup var options: MountOptionGroup

    func run() async throws {
        var configuration = try MountConfiguration(repository, options, at: mountpoint)
        if configuration.keys.isEmpty, configuration.needsKeys {
            configuration.keys = MasterKeyFiles.standardPaths(for: configuration.repository).map(\.string)
        }
        let program = try ThisProgram.path
        let final = configuration
        let (isDetached, log) = (options.daemon, try absolutePath(options.log))
        try await BlockingPool.shared.run {
            if isDetached { return try MountControl.mountDetached(final, program: program, log: log) }
            var failure: MountError?
            try Keeper.run(final, program: program) { result in
                switch result {
                case .success: Progress.say("\(final.repository) is mounted at \(final.mountpoint)")
                case .failure(let error): failure = error
                }
            }
            if let failure { throw failure }
        }
    }
}

extension MountConfiguration {
    fileprivate var needsKeys: Bool {
        if case .root = state { false } else { true }
    }
}
