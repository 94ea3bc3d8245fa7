internal import CVMFS
internal import FUSE
internal import Glibc

extension MountStatus {
    /// Source: the kernel's header.
    private static let kinds: [(number: Int, name: String)] = [
        (1, "LOOKUP"), (2, "FORGET"), (3, "GETATTR"), (5, "READLINK"), (14, "OPEN"), (15, "READ"), (17, "STATFS"),
        (18, "RELEASE"), (22, "GETXATTR"), (23, "LISTXATTR"), (27, "OPENDIR"), (28, "READDIR"), (36, "INTERRUPT"),
        (42, "BATCH_FORGET"), (44, "READDIRPLUS"),
    ]

    init(
        mounted: MountedRepository, fileSystem: SnapshotFileSystem, session: Session, watch: RevisionWatch
    ) async {
        let view = fileSystem.views.current
        let repository = mounted.repository
        self.init()
        self.repository = repository.name
        mountpoint = mounted.configuration.mountpoint
        revision = view.snapshot.revision
        rootHash = view.snapshot.rootHash.description
        tag = view.snapshot.tag
        offline = await watch.lastFailure ?? repository.offlineReason.map { "\($0)" }
        timeToLive = repository.timeToLive
        server = repository.answeringServer
        process = getpid()
        uptime = Int64((ContinuousClock.now - mounted.started) / .seconds(1))
        let table = fileSystem.table.usage
        nodes = table.records
        loadedCatalogs = view.snapshot.tree.loadedCount + 1 + fileSystem.shelf.count
        openContents = fileSystem.contents.count
        ioErrors = mounted.ioErrors.count
        (reading, readingFailure) = Self.reading(mounted.configuration, session.agreement.features, fileSystem)
        if session.agreement.features.contains(.passthrough) { passedThrough = fileSystem.table.passedThroughCount }
        if let disk = mounted.store as? DiskStore {
            let usage = try? disk.usage()
            cache = Cache(
                path: disk.path.string, bytes: usage?.size.bytes ?? 0, limit: disk.limit.bytes,
                objects: Int64(usage?.objects ?? 0))
        }
        let totals = repository.totals
        fetched = Fetched(
            objects: totals.objects, bytes: totals.bytes, requests: totals.requests, failures: totals.failures,
            hits: totals.hits, ahead: fileSystem.sweep.objects)
        memory = Memory(
            resident: ProcessFigures.residentBytes, nodes: table.bytes,
            catalogs: view.snapshot.tree.memoryUsed)
        let report = session.report
        kernel = Kernel(
            features: report.features.words, minor: Int(report.kernelMinor), channels: report.channels,
            workers: report.workers, requests: report.requests, waiting: report.waiting)
        for (number, name) in Self.kinds {
            let count = session.requests(ofKind: number)
            if count > 0 { kernel.requestsByKind[name] = count }
        }
        if let change = await watch.lastChange { lastChange = [change.folders, change.foldersCompared, change.names] }
    }

    private static func reading(
        _ configuration: MountConfiguration, _ features: Features, _ fileSystem: SnapshotFileSystem
    ) -> (String, failure: String?) {
        typealias Reading = MountConfiguration.Reading
        switch configuration.reading ?? .cached {
        case .cached: return (Reading.cached.rawValue, nil)
        case .direct:
            return features.contains(.noOpen)
                ? (Reading.cached.rawValue, "the mount was made without OPEN") : (Reading.direct.rawValue, nil)
        case .passthrough:
            let failure =
                features.contains(.passthrough)
                ? fileSystem.passThrough.failure
                : geteuid() == 0 ? "the kernel does not offer it (Linux 6.9 may)" : "only root's mounts can"
            return ((failure == nil ? Reading.passthrough : .cached).rawValue, failure)
        }
    }
}
