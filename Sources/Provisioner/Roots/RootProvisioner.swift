internal import CLauncher
public import CVMFS
public import FUSEMount
internal import Glibc
internal import Synchronization

/// Makes root file systems for containers that others start: a lazy image below, a writable layer above.
///
/// Roots of one snapshot share one mount and one cache; each stays on its snapshot whatever the repository does. Every
/// root is on record before it exists, so that what a kill or a crash leaves is found and tidied up.
public struct RootProvisioner: Sendable {
    private let folder: RootFolder
    /// The program `cvmfs`, which serves the mounts.
    private let program: String

    /// - Parameters:
    ///   - state: the folder of records, mountpoints and layers; by default below /run, or the user's runtime folder.
    ///   - program: the file of the program `cvmfs`.
    public init(state: FilePath? = nil, program: String) throws {
        folder = RootFolder(path: state ?? Self.standardState)
        self.program = program
        for path in [folder.path, folder.records, folder.mounts, folder.layers] {
            guard path.withPlatformString({ mkdir($0, 0o700) }) == 0 || errno == EEXIST else {
                throw ProvisionerError(.storage, "the folder \(path) cannot be made", errno: Errno(rawValue: errno))
            }
        }
    }

    private static var standardState: FilePath {
        if geteuid() == 0 { return "/run/cvmfs-roots" }
        if let folder = getenv("XDG_RUNTIME_DIR").map({ String(cString: $0) }), folder.hasPrefix("/") {
            return FilePath(folder).appending("cvmfs-roots")
        }
        return FilePath("/tmp/cvmfs-roots-\(geteuid())")
    }

    // MARK: Making

    /// Makes a root at a folder. Blocks until it can be used.
    ///
    /// - Parameters:
    ///   - image: what the root shows.
    ///   - target: where; made when it is absent.
    ///   - mount: how the snapshot's mount reaches its repository; mountpoint and state are filled in.
    ///   - layer: a folder for the changes that outlives the root; `nil` for one of its own.
    ///   - isReadOnly: without any layer.
    ///   - allowsNewPrivileges: whether set-id bits and file capabilities of the image count, for everybody who can reach
    ///     the target, also outside of any container.
    /// - Throws: `ProvisionerError`: `.exists` when there is a root at the target, `.refused` when the system does not
    ///   let this process mount, `.storage`; `MountError`.
    public func provision(
        _ image: Image, at target: FilePath, mount: MountConfiguration, layer: FilePath? = nil,
        isReadOnly: Bool = false, allowsNewPrivileges: Bool = true
    ) throws -> ProvisionedRoot {
        let ownsTarget = target.withPlatformString { mkdir($0, 0o755) } == 0
        guard let resolved = target.withPlatformString({ realpath($0, nil) }) else {
            throw ProvisionerError(.storage, "\(target) cannot be used", errno: Errno(rawValue: errno))
        }
        defer { free(resolved) }
        let place = String(cString: resolved)
        return try locked {
            let namespace = try Self.namespace()
            let name = RootFolder.name(of: place, in: namespace)
            guard try !folder.all().contains(where: { $0.name == name }) else {
                throw ProvisionerError(.exists, "there is a root at \(place) already: remove it first (--remove)")
            }
            let own = folder.layers.appending(name)
            let root = ProvisionedRoot(
                target: place, repository: image.snapshot.repository, rootHash: image.snapshot.rootHash.description,
                revision: image.snapshot.revision, path: image.root.description,
                mountpoint: try mountpoint(for: image.snapshot, mount, namespace),
                layer: isReadOnly ? nil : (layer ?? own).string, ownsLayer: layer == nil, ownsTarget: ownsTarget,
                boot: Self.boot(), namespace: namespace)
            try folder.record(root)
            do {
                try serve(root, image.snapshot, mount)
                if let layer = root.layer, mkdir(layer, 0o700) != 0, errno != EEXIST {
                    throw ProvisionerError(.storage, "\(layer) cannot be made", errno: Errno(rawValue: errno))
                }
                let path = image.root.bytes.dropFirst().map { CChar(bitPattern: $0) } + [0]
                let result = path.withUnsafeBufferPointer {
                    claunch_mount_overlay(
                        root.mountpoint, $0.baseAddress, root.layer, place, allowsNewPrivileges ? 1 : 0)
                }
                guard result >= 0 else {
                    throw ProvisionerError(
                        .refused, "the root cannot be mounted at \(place)", errno: Errno(rawValue: -result))
                }
            } catch {
                try? tidyUp(root, isForced: true)
                throw error
            }
            return root
        }
    }

    private func mountpoint(
        for snapshot: Snapshot, _ mount: MountConfiguration, _ namespace: UInt64
    ) throws -> String {
        let text = "\(snapshot.repository)\n\(snapshot.rootHash)\n\(mount.cache)"
        return folder.mounts.appending(RootFolder.name(of: text, in: namespace)).string
    }

    /// Mounts the snapshot, if no other root has it mounted.
    private func serve(_ root: ProvisionedRoot, _ snapshot: Snapshot, _ mount: MountConfiguration) throws {
        if mkdir(root.mountpoint, 0o700) != 0, errno != EEXIST {
            throw ProvisionerError(.storage, "\(root.mountpoint) cannot be made", errno: Errno(rawValue: errno))
        }
        let control = try MountControl(mountpoint: root.mountpoint)
        if control.isAlive { return }
        // A dead one of before would be hidden by the new one.
        _ = claunch_unmount(root.mountpoint, 1)
        var configuration = mount
        configuration.mountpoint = root.mountpoint
        configuration.state = .root(snapshot.rootHash.description)
        try MountControl.mountDetached(configuration, program: program, log: "/dev/null")
    }

    // MARK: Tidying up

    /// All roots on record, and how they are.
    public func roots() throws -> [(root: ProvisionedRoot, state: RootState)] {
        let namespace = try Self.namespace()
        return try folder.all().sorted { $0.target < $1.target }.map { ($0, state(of: $0, namespace)) }
    }

    /// Removes a root, its layer if that is its own, and the mount below when no other root needs it.
    ///
    /// - Parameters:
    ///   - target: where it is mounted.
    ///   - isForced: also while it is in use.
    /// - Throws: `ProvisionerError`: `.noSuchRoot`; `.refused` when it is in use.
    public func remove(_ target: FilePath, isForced: Bool = false) throws {
        // Only the folders above it are looked at: the root itself may not answer.
        let place = try RuntimeFolder(mountpoint: target.string).mountpoint
        try locked {
            let namespace = try Self.namespace()
            let name = RootFolder.name(of: place, in: namespace)
            guard let root = try folder.all().first(where: { $0.name == name }) else {
                throw ProvisionerError(.noSuchRoot, "no root is on record at \(place)")
            }
            try tidyUp(root, isForced: isForced)
        }
    }

    /// Tidies up what killed processes, ended namespaces and former boots have left. Gives the targets of those roots.
    @discardableResult
    public func clean() throws -> [String] {
        try locked {
            let namespace = try Self.namespace()
            let dead = try folder.all().filter { state(of: $0, namespace) == .dead }
            for root in dead { try tidyUp(root, isForced: true) }
            try removeOrphans()
            return dead.map(\.target)
        }
    }

    /// Mountpoints and layers that no record speaks of: of a process that was killed between two steps.
    private func removeOrphans() throws {
        // Records that were being written.
        for name in try LocalFile.names(in: folder.records) ?? [] where name.hasPrefix(".") {
            _ = folder.records.appending(name).withPlatformString { unlink($0) }
        }
        let roots = try folder.all()
        let mounts = Set(roots.map(\.mountpoint))
        for name in try LocalFile.names(in: folder.mounts) ?? [] {
            let path = folder.mounts.appending(name).string
            if !mounts.contains(path) { try end(path) }
        }
        let layers = Set(roots.compactMap(\.layer))
        for name in try LocalFile.names(in: folder.layers) ?? [] {
            let path = folder.layers.appending(name).string
            if !layers.contains(path) { _ = claunch_remove_tree(path) }
        }
    }

    private func state(of root: ProvisionedRoot, _ namespace: UInt64) -> RootState {
        guard root.boot == Self.boot() else { return .dead }
        guard root.namespace == namespace else {
            return Self.isAlive(root.namespace) ? .elsewhere : .dead
        }
        let isServed = (try? MountControl(mountpoint: root.mountpoint).isAlive) ?? false
        return isServed && isMounted(root.target) ? .ready : .dead
    }

    private func isMounted(_ target: String) -> Bool {
        MountTable.points().contains(target)
    }

    private func tidyUp(_ root: ProvisionedRoot, isForced: Bool) throws {
        let isHere = try root.boot == Self.boot() && root.namespace == Self.namespace()
        if isHere {
            let result = claunch_unmount(root.target, isForced ? 1 : 0)
            // EINVAL: nothing is mounted there.
            guard result >= 0 || result == -EINVAL || result == -ENOENT else {
                throw ProvisionerError(
                    .refused, "the root at \(root.target) cannot be unmounted (--force does it while it is in use)",
                    errno: Errno(rawValue: -result))
            }
        }
        if let layer = root.layer {
            if root.ownsLayer { _ = claunch_remove_tree(layer) } else { _ = claunch_remove_tree(layer + "/work") }
        }
        if root.ownsTarget, isHere || !isMounted(root.target) { rmdir(root.target) }
        let others = try folder.all().filter { $0.mountpoint == root.mountpoint && $0.name != root.name }
        if others.isEmpty { try end(root.mountpoint) }
        // The record last: whoever is killed on the way finds it again.
        _ = folder.records.appending(root.name + ".json").withPlatformString { unlink($0) }
    }

    /// Ends a lazy mount, and its keeper wherever it runs.
    private func end(_ mountpoint: String) throws {
        let control = try MountControl(mountpoint: mountpoint)
        try? control.unmount(lazily: true)
        _ = claunch_unmount(mountpoint, 1)
        rmdir(mountpoint)
    }

    // MARK: Where we are

    private func locked<Result>(_ body: () throws -> Result) throws -> Result {
        let lock = claunch_lock(folder.path.appending("lock").string)
        guard lock >= 0 else {
            throw ProvisionerError(
                .storage, "\(folder.path) cannot be locked", errno: Errno(rawValue: -lock))
        }
        defer { close(lock) }
        return try body()
    }

    private static func boot() -> String {
        let bytes = (try? LocalFile.read("/proc/sys/kernel/random/boot_id", limit: 64)) ?? nil
        return String(decoding: bytes ?? [], as: UTF8.self).filter { !$0.isWhitespace }
    }

    private static func namespace() throws -> UInt64 {
        var identity: UInt64 = 0
        let result = claunch_namespace(&identity)
        guard result >= 0 else {
            throw ProvisionerError(
                .refused, "this process's mount namespace is not to be had: is /proc mounted?",
                errno: Errno(rawValue: -result))
        }
        return identity
    }

    /// Whether some process that can be seen is in a mount namespace.
    private static func isAlive(_ namespace: UInt64) -> Bool {
        let processes = ((try? LocalFile.names(in: "/proc")) ?? nil) ?? []
        return processes.compactMap { Int32($0) }.contains { process in
            var identity: UInt64 = 0
            return claunch_namespace_of(process, &identity) >= 0 && identity == namespace
        }
    }
}
