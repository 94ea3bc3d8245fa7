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

    @Argument(help: "An existing folder. With --upgrade it may stand alone, without NAME.")
    var mountpoint: String?

    @OptionGroup var options: MountOptionGroup

    @Flag(
        help: """
            Replace the program of a mount that is in use by this one, and its settings by those given after NAME; no \
            program notices.
            """)
    var upgrade = false

    func validate() throws {
        guard mountpoint != nil || upgrade else {
            throw ValidationError("Where? cvmfs mount \(repository.name) MOUNTPOINT.")
        }
    }

    func run() async throws {
        let program = try ThisProgram.path
        if upgrade { return try await replace(by: program) }
        guard let mountpoint else { return }
        let final = try configuration(at: mountpoint)
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

    private func configuration(at mountpoint: String) throws -> MountConfiguration {
        var configuration = try MountConfiguration(repository, options, at: mountpoint)
        if configuration.keys.isEmpty, configuration.needsKeys {
            configuration.keys = MasterKeyFiles.standardPaths(for: configuration.repository).map(\.string)
        }
        return configuration
    }

    private func replace(by program: String) async throws {
        let new = try mountpoint.map { try configuration(at: $0) }
        let path = mountpoint ?? repository.name
        try await BlockingPool.shared.run {
            _ = try MountControl(mountpoint: path).ask(.upgrade(program: program, configuration: new))
        }
    }
}

extension MountConfiguration {
    fileprivate var needsKeys: Bool {
        if case .root = state { false } else { true }
    }
}
