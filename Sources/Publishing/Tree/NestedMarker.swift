internal import CASCore
internal import Catalog

/// The files that say where nested catalogs begin. Source: format 7.3.
enum NestedMarker {
    /// In a directory whose content is to be in a catalog of its own.
    static let name: FileName = ".cvmfscatalog"
    /// Beside it: the catalog began there because of its size, and may end because of it.
    static let automatic: FileName = ".cvmfsautocatalog"
    /// In the root: patterns of directories that are to have a marker.
    static let patterns: FileName = ".cvmfsdirtab"
    /// In the root: what the repository shows of its tags, not of a source.
    static let virtualDirectory: FileName = ".cvmfs"
}

extension WritableTree {
    /// Begins a nested catalog at a directory whose source has no marker.
    ///
    /// The marker is a hidden entry: readers find it by its name, as the reference's checker demands it, but do not list
    /// it, so that the directory looks like its source.
    /// - Parameters:
    ///   - automatic: whether it is because of its size.
    ///   - empty: the content of an empty file, which is stored.
    func nestUnasked(_ directory: RepositoryPath, automatic: Bool, empty: StoredContent) throws {
        try makeNested(directory)
        guard let owner = try record(at: directory) else { return }
        for name in automatic ? [NestedMarker.name, NestedMarker.automatic] : [NestedMarker.name] {
            let path = directory.appending(name)
            guard try record(at: path) == nil else { continue }
            var marker = EntryRecord(
                kind: .file, permissions: 0o600, uid: owner.uid, gid: owner.gid, mtime: owner.mtime,
                mtimeNanoseconds: owner.mtimeNanoseconds)
            marker.isHidden = true
            marker.contentHash = empty.whole
            marker.compression = empty.compression
            try insert(marker, at: path)
        }
    }

    /// Ends a nested catalog that began because of its size.
    private func mergeAutomatic(_ directory: RepositoryPath) throws {
        for name in [NestedMarker.name, NestedMarker.automatic] {
            let path = directory.appending(name)
            if let marker = try record(at: path), marker.kind == .file { try remove(marker, at: path) }
        }
        try merge(directory)
    }

    /// Splits changed catalogs that have become too large, and merges those that have become too small again.
    /// Source: format 7.3.
    func balance(_ balance: CatalogBalance, empty: StoredContent) throws {
        for catalog in changedCatalogs().reversed() where catalog !== root {
            guard try reader(catalog).statistics().own.entries < balance.minimum,
                let marker = try record(at: catalog.path.appending(NestedMarker.automatic)), marker.kind == .file
            else { continue }
            try mergeAutomatic(catalog.path)
        }
        for catalog in changedCatalogs() where try reader(catalog).statistics().own.entries > balance.maximum {
            let writer = try reader(catalog)
            var planner = SplitPlanner(writer, balance, counts: try writer.entryCounts())
            for directory in try planner.plan() { try nestUnasked(directory, automatic: true, empty: empty) }
        }
    }

    /// The changed catalogs, each before those that are nested in it.
    private func changedCatalogs() -> [TreeCatalog] {
        var found: [TreeCatalog] = []
        var pending = [root]
        while let next = pending.popLast() {
            guard next.isChanged else { continue }
            found.append(next)
            pending += next.children.values.sorted { $1.path < $0.path }
        }
        return found
    }
}

/// How large catalogs may become before they are split, and how small before they are merged.
public struct CatalogBalance: Sendable, Hashable {
    /// More entries than these, and the catalog is split.
    public var maximum: Int64
    /// Fewer, and an automatic catalog is merged with the one above it; none with fewer is made.
    public var minimum: Int64

    public init(maximum: Int64, minimum: Int64) {
        self.maximum = maximum
        self.minimum = minimum
    }

    /// What the reference takes when it balances. Source: format 7.3.
    public static let reference = CatalogBalance(maximum: 100_000, minimum: 1000)

    /// For images, of which a container touches little: starting a program loads the catalogs on its way only.
    public static let images = CatalogBalance(maximum: 4000, minimum: 500)
}

/// Finds the directories at which a catalog is to be split: in post-order, while a directory has more than half the
/// maximum below it, the heaviest of its subdirectories begins a catalog of its own.
struct SplitPlanner {
    private let catalog: CatalogWriter
    private let balance: CatalogBalance
    private let counts: [PathKey: Int64]
    private var found: [RepositoryPath] = []

    /// - Parameter counts: how many entries each directory of the catalog has.
    init(_ catalog: CatalogWriter, _ balance: CatalogBalance, counts: [PathKey: Int64]) {
        self.catalog = catalog
        self.balance = balance
        self.counts = counts
    }

    mutating func plan() throws(CatalogError) -> [RepositoryPath] {
        found = []
        _ = try weigh(catalog.rootPrefix)
        return found
    }

    /// How many entries a directory is and has, once it is split.
    private mutating func weigh(_ directory: RepositoryPath) throws(CatalogError) -> Int64 {
        let entries = counts[directory.key] ?? 0
        guard entries > 0 else { return 1 }
        var subdirectories: [(path: RepositoryPath, weight: Int64)] = []
        var weight = 1 + entries
        for name in try catalog.subdirectories(of: directory) {
            let path = directory.appending(name)
            let below = try weigh(path)
            weight += below - 1
            if below >= balance.minimum { subdirectories.append((path, below)) }
        }
        subdirectories.sort { ($1.weight, $0.path) < ($0.weight, $1.path) }
        for (path, below) in subdirectories {
            guard weight > balance.maximum / 2 else { break }
            found.append(path)
            weight -= below - 1
        }
        return weight
    }
}
