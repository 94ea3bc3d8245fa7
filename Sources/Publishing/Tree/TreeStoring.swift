package import CASCore
internal import Catalog

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension WritableTree {
    /// The root catalog of a tree that was stored.
    package struct StoredRoot: Sendable, Hashable {
        package let hash: ContentHash
        /// Bytes of its file.
        package let size: Int64
        package let revision: UInt64
        /// Catalogs that were stored, the root catalog among them.
        package let catalogs: Int
    }

    /// Stores every catalog that has changed, those that are nested in others first, and ends the tree.
    ///
    /// - Parameters:
    ///   - lastModified: the time that the catalogs say they are of, in seconds since 1970.
    ///   - save: stores the file of a catalog as an object.
    package func store(
        lastModified: Int64, save: @escaping @Sendable (_ file: String) async throws -> StoredObjectFile
    ) async throws -> StoredRoot {
        var levels: [[TreeCatalog]] = [[root]]
        while let last = levels.last, !last.isEmpty {
            levels.append(
                last.flatMap { catalog in
                    catalog.children.values.filter(\.isChanged).sorted { $0.path < $1.path }
                })
        }
        var revision: UInt64 = 0
        var stored: StoredObjectFile?
        for level in levels.reversed() {
            var rest = level[...]
            while !rest.isEmpty {
                let some = Array(rest.prefix(TreeLimits.storedAtOnce))
                rest = rest.dropFirst(some.count)
                var files: [String] = []
                var totals: [CatalogStatistics.Counters] = []
                for catalog in some {
                    let writer = try writer(catalog)
                    revision = (writer.original?.revision ?? 0) + 1
                    try writer.setRevision(revision, lastModified: lastModified, previous: catalog.base?.hash)
                    let statistics = try writer.statistics()
                    totals.append(statistics.own + statistics.subtree)
                    files.append(try writer.finish())
                    forget(catalog)
                }
                let objects = try await Self.save(files, save)
                for (index, catalog) in some.enumerated() {
                    unlink(files[index])
                    unlink(catalog.file)
                    stored = objects[index]
                    guard let parent = catalog.parent else { continue }
                    let writer = try writer(parent)
                    try writer.updateNested(
                        catalog.path, hash: objects[index].object.hash, size: objects[index].size)
                    try writer.addToSubtree(totals[index] - catalog.accounted)
                }
            }
        }
        guard let stored else { preconditionFailure("unreachable: the root is always stored") }
        return StoredRoot(
            hash: stored.object.hash, size: stored.size, revision: revision,
            catalogs: levels.reduce(0) { $0 + $1.count })
    }

    private static func save(
        _ files: [String], _ save: @escaping @Sendable (String) async throws -> StoredObjectFile
    ) async throws -> [StoredObjectFile] {
        try await withThrowingTaskGroup(of: (Int, StoredObjectFile).self) { group in
            for (index, file) in files.enumerated() { group.addTask { (index, try await save(file)) } }
            var objects: [Int: StoredObjectFile] = [:]
            for try await (index, object) in group { objects[index] = object }
            return files.indices.compactMap { objects[$0] }
        }
    }
}
