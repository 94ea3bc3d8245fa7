import CASCore
import CVMFS
import Foundation
import Glibc
import LocalServers
import SystemPackage
import Testing

@testable import Publishing

@Suite("Records of images")
final class ImageRecordTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("records")
        try shell(
            """
            umoci init --layout image; umoci new --image image:v1; umoci new --image image:v2
            mkdir -p a/etc a/bin b/bin; echo tool > a/bin/tool; ln a/bin/tool a/bin/too; ln -s tool a/bin/link
            echo one > a/etc/one; : > a/etc/empty; setfattr -n user.x -v y a/etc/one; : > b/bin/.wh.link; echo two > b/two
            head -c 5000000 /dev/urandom > a/large; : > b/.zero
            tar -C a --format=posix --xattrs -cf a.tar .; tar -C b --format=posix -cf b.tar bin/.wh.link two .zero
            umoci raw add-layer --image image:v1 a.tar; umoci raw add-layer --image image:v1 b.tar
            umoci raw add-layer --image image:v2 a.tar
            """, in: folder.path)
    }

    private var image: FilePath { FilePath("\(folder.path)/image") }

    /// Publishes an image as `publish` does.
    private func publish(
        _ reference: String?, from path: FilePath, at place: RepositoryPath, in repository: inout TreeRepository
    ) async throws -> ImageRecord? {
        let scratch = folder.path
        let detected = try SourceDetection.detect(at: path)
        let outcome = try await ArchiveImport(pipeline: repository.pipeline, scratchFolder: scratch)
            .stage(path, detected, ImageSelection(reference: reference), at: place)
        if place.isRoot {
            _ = try await repository.change { tree, pipeline in
                var sync = TreeSync(tree, pipeline, at: place)
                var source: any TreeSource = try outcome.source(at: place)
                _ = try await sync.run(&source, nestsTop: false)
            }
        } else {
            try await repository.sync(StagedTreeSource(outcome.tree), at: place)
            _ = try await repository.change { tree, pipeline in
                var above = RepositoryPath.root
                for name in ImageRecord.folder(of: place).components.dropLast() {
                    above = above.appending(name)
                    if try tree.record(at: above) == nil { try tree.insert(.directory(mtime: 1), at: above) }
                }
                var source = try #require(try outcome.recordSource())
                var sync = TreeSync(tree, pipeline, at: ImageRecord.folder(of: place))
                _ = try await sync.run(&source, nestsTop: false)
            }
        }
        return outcome.record
    }

    private func verify(
        _ place: RepositoryPath, against image: FilePath? = nil, _ reference: String? = nil,
        in repository: borrowing TreeRepository
    ) async throws -> ImageVerificationReport {
        try await repository.open().snapshot()
            .verifyImage(at: place, against: image, reference: reference, scratchFolder: FilePath(folder.path))
    }

    @Test(
        "what was published of an image is proved by its record, and by the image itself",
        arguments: ["/", "/images/a"])
    func genuine(place: String) async throws {
        let place = RepositoryPath(place)
        var repository = try TreeRepository()
        if let above = place.parent, !above.isRoot {
            try await repository.change { tree, _ in try tree.insert(.directory(mtime: 1), at: above) }
        }
        let record = try #require(try await publish("v1", from: image, at: place, in: &repository))
        #expect(record.layers.count == 2)
        #expect(record.path == place.description)
        let hash = repository.manifest.rootCatalog
        #expect(try await publish("v1", from: image, at: place, in: &repository) == record)
        #expect(repository.manifest.rootCatalog == hash, "publishing it again changes nothing")

        let snapshot = try await repository.open().snapshot()
        #expect(try await snapshot.imageRecord(at: place) == record)
        let records = try await snapshot.imageRecords()
        #expect(records.map(\.path) == [place])
        #expect(SHA256Digest.of(try await snapshot.imageConfiguration(at: place)).description == record.configuration)

        let recorded = try await verify(place, in: repository)
        #expect(recorded.differences == [])
        #expect(recorded.entries == record.entries && !recorded.isCompared)
        let compared = try await verify(place, against: image, "v1", in: repository)
        #expect(compared.differences == [])
        #expect(compared.entries == record.entries && compared.isCompared && compared.bytes > 5_000_000)
        let other = try await verify(place, against: image, "v2", in: repository)
        #expect(other.differences.contains { $0.contains("/two is not in the image") })
        #expect(other.differences.contains { $0.contains("/bin/link is missing") })
        #expect(other.differenceCount == 4)
        #expect(try await repository.defects() == [])
    }

    @Test("whatever is changed in the tree afterwards is found, with the image by its path")
    func changes() async throws {
        var repository = try TreeRepository()
        _ = try #require(try await publish("v1", from: image, at: "/image", in: &repository))
        let base = repository.manifest
        func found(
            _ path: RepositoryPath, _ word: String, _ change: (WritableTree, ContentPipeline) async throws -> Void
        ) async throws {
            try await repository.change(change)
            #expect(try await verify("/image", in: repository).isGenuine == false, "\(word)")
            let report = try await verify("/image", against: image, "v1", in: repository)
            #expect(
                report.differences.count == 1
                    && report.differences.allSatisfy { $0.contains(path.description) && $0.contains(word) },
                "\(report.differences)")
            try await repository.change { tree, _ in
                for name in ["/image"] as [RepositoryPath] {
                    if let old = try tree.record(at: name) { _ = try tree.remove(old, at: name) }
                }
            }
            _ = try await publish("v1", from: image, at: "/image", in: &repository)
        }
        func edit(_ path: RepositoryPath, _ body: @escaping (inout EntryRecord) -> Void) -> (
            WritableTree, ContentPipeline
        ) async throws -> Void {
            { tree, _ in
                let old = try #require(try tree.record(at: path))
                var record = old
                body(&record)
                try tree.replace(old, with: record, at: path)
            }
        }
        try await found("/two", "mode", edit("/image/two") { $0.permissions = 0o4755 })
        try await found("/two", "owner", edit("/image/two") { $0.uid = 7 })
        try await found("/two", "time", edit("/image/two") { $0.mtime += 1 })
        try await found("/etc/one", "attributes", edit("/image/etc/one") { $0.xattrs = nil })
        try await found(
            "/bin/tool", "links",
            edit("/image/bin/tool") {
                $0.hardlinkGroup = 0; $0.linkCount = 1
            })
        try await found("/etc", "mode", edit("/image/etc") { $0.permissions = 0o700 })
        try await found("/etc/empty", "missing") { tree, _ in
            let old = try #require(try tree.record(at: "/image/etc/empty"))
            _ = try tree.remove(old, at: "/image/etc/empty")
        }
        try await found("/etc/more", "not in the image") { tree, pipeline in
            var record = EntryRecord(kind: .file, permissions: 0o644)
            record.hold(try await pipeline.store(BytesSource([1])))
            try tree.insert(record, at: "/image/etc/more")
        }
        let evil = try await repository.pipeline.store(BytesSource(Array("TWO\n".utf8)))
        try await found("/two", "content", edit("/image/two") { $0.hold(evil) })
        #expect(repository.manifest.rootCatalog != base.rootCatalog)
    }

    @Test("a record that contradicts itself or its documents is found")
    func records() async throws {
        var repository = try TreeRepository()
        let record = try #require(try await publish("v1", from: image, at: "/image", in: &repository))
        func replace(_ name: FileName, _ bytes: [UInt8]) async throws {
            try await repository.change { tree, pipeline in
                let path = ImageRecord.folder(of: "/image").appending(name)
                let old = try #require(try tree.record(at: path))
                var record = old
                record.hold(try await pipeline.store(BytesSource(bytes)))
                try tree.replace(old, with: record, at: path)
            }
        }
        let text = String(decoding: try record.encoded(), as: UTF8.self)
        try await replace(ImageRecord.configurationName, Array("{}".utf8))
        #expect(try await verify("/image", in: repository).differences.count == 1)
        try await replace(
            ImageRecord.fileName,
            Array(text.replacing(record.configuration, with: SHA256Digest.of(Array("{}".utf8)).description).utf8))
        #expect(try await verify("/image", in: repository).differences.count == 2)
        for bad in [
            "", "{}", "[1]", text.replacing("\"version\" : 1", with: "\"version\" : 2"), String(text.dropLast(20)),
        ] {
            try await replace(ImageRecord.fileName, Array(bad.utf8))
            await #expect(throws: PublishingError.self, "\(bad)") { try await verify("/image", in: repository) }
        }
        await #expect(throws: PublishingError.self) { try await verify("/elsewhere", in: repository) }
    }

    @Test("an image with a folder of records cannot become the whole repository")
    func collision() async throws {
        let repository = try TreeRepository()
        try shell(
            "mkdir -p c/.metadata; tar -C c -cf c.tar .; umoci raw add-layer --image image:v2 c.tar", in: folder.path)
        let outcome = try await ArchiveImport(pipeline: repository.pipeline, scratchFolder: folder.path)
            .stage(image, try SourceDetection.detect(at: image), ImageSelection(reference: "v2"), at: .root)
        var source = try outcome.source(at: .root)
        #expect(throws: PublishingError.self) { while try source.next() != nil {} }
    }
}

extension EntryRecord {
    fileprivate mutating func hold(_ content: StoredContent) {
        contentHash = content.whole
        compression = content.compression
        size = content.size
    }
}
