import CASCore
import Catalog
import CatalogFixtures
import Glibc
import LocalServers
package import Publishing
import RepositoryMaker
package import Signing
import SystemPackage

/// A small tree whose files hold numbered contents: what a revision of a test consists of.
///
/// Each folder is a nested catalog that follows from its name and numbers alone, so that later revisions come back to
/// objects and catalogs of earlier ones.
package struct RevisionTree: Sendable, Hashable {
    package static let repository = "revisions.example.org"

    /// Numbers of contents by folder.
    package var folders: [String: [Int]]

    package init(_ folders: [String: [Int]]) { self.folders = folders }

    /// - Parameter contents: how many different contents there are to choose from.
    package static func random(
        folders: Int = 4, files: Int = 5, contents: Int = 40, using random: inout some RandomNumberGenerator
    ) -> RevisionTree {
        var tree = RevisionTree([:])
        for folder in 0..<folders {
            tree.folders["f\(folder)"] = (0..<files).map { _ in Int.random(in: 0..<contents, using: &random) }
        }
        return tree
    }

    /// Replaces the contents of one folder.
    package mutating func change(contents: Int = 40, using random: inout some RandomNumberGenerator) {
        guard let folder = folders.keys.sorted().randomElement(using: &random) else { return }
        let count = folders[folder]?.count ?? 0
        folders[folder] = (0..<count).map { _ in Int.random(in: 0..<contents, using: &random) }
    }

    package static func content(_ number: Int) -> [UInt8] {
        Array("content \(number) of a test\n".utf8) + (0..<2000).map { UInt8(truncatingIfNeeded: $0 &* number >> 3) }
    }

    /// Publishes the tree as the next revision, as a publisher must that lets collections run beside it: what the
    /// revision before does not hold at the same place is stored or renewed.
    @discardableResult
    package func publish(with writer: RepositoryWriter, tags: [String] = [], at time: UnixTime) throws -> Manifest {
        try writer.storage.beginWritingHere()
        let base = writer.base
        let maker = try ObjectFolder(writer.storage.path, algorithm: writer.settings.hash)
        let before = try nestedCatalogs(of: base, in: writer)
        let root = try CountedCatalog(at: .root, in: maker)
        var row = EntryRow.directory(.root, links: UInt32(2 + folders.count))
        row.mtime = 0
        try root.add(row)
        for (name, numbers) in folders.sorted(by: { $0.key < $1.key }) {
            let path = RepositoryPath("/\(name)")
            let nested = try CountedCatalog(at: path, in: maker)
            var folder = EntryRow.directory(path)
            folder.flags |= 32
            try nested.add(folder)
            var objects: [RootObject] = []
            let marker = try RootObject([], kind: .file, algorithm: writer.settings.hash)
            objects.append(marker)
            try nested.add(.file(path.appending(FileName(".cvmfscatalog")), hash: marker.object.hash))
            for (index, number) in numbers.enumerated() {
                let content = Self.content(number)
                let object = try RootObject(content, kind: .file, algorithm: writer.settings.hash)
                objects.append(object)
                try nested.add(
                    .file(
                        path.appending(FileName("file\(index)")), size: Int64(content.count), hash: object.object.hash))
            }
            folder.flags = 1 | 2
            try root.add(folder)
            let made = try Self.finish(nested, in: writer, unless: before[path])
            if before[path] != made.object.hash { for object in objects { try object.store(in: writer.storage) } }
            try root.addNested(made)
        }
        try root.maker.setProperty("revision", String(base.revision + 1))
        try root.maker.setProperty("last_modified", String(time.seconds))
        try root.maker.setProperty("previous_revision", base.rootCatalog.description)
        try root.maker.setProperty("TTL", String(base.ttl))
        let made = try Self.finish(root, in: writer, unless: nil)
        return try writer.commit(
            NewRevision(
                rootCatalog: made.object.hash, rootCatalogSize: made.size, revision: base.revision + 1,
                lastModified: time.seconds, tags: tags.map { NewTag(name: $0) }))
    }

    /// Stores a catalog, unless it is the one that is there.
    private static func finish(
        _ catalog: CountedCatalog, in writer: RepositoryWriter, unless present: ContentHash?
    ) throws -> MadeCatalog {
        try catalog.finish { file in
            let object = try RootObject(readFile(file) ?? [], kind: .catalog, algorithm: writer.settings.hash)
            if object.object.hash != present { try object.store(in: writer.storage) }
            return object.object
        }
    }

    private func nestedCatalogs(of base: Manifest, in writer: RepositoryWriter) throws -> [RepositoryPath: ContentHash]
    {
        let file = writer.state.scratchFile("base")
        defer { _ = file.withPlatformString { unlink($0) } }
        try writer.storage.unpack(base.rootCatalogObject, to: file.string)
        let nested = try FileCatalog(at: file).nestedCatalogs()
        return Dictionary(nested.map { ($0.path, $0.hash) }) { first, _ in first }
    }
}
