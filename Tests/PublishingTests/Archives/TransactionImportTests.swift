import CVMFS
import Foundation
import LocalServers
import SystemPackage
import Testing

@testable import Publishing

@Suite("Archives and images in transactions")
final class TransactionImportTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("import")
        try shell(
            """
            mkdir -p tree/etc tree/bin; echo one > tree/etc/one; ln tree/etc/one tree/etc/too; ln -s ../etc tree/bin/etc
            tar -C tree --format=posix -czf tree.tar.gz .; tar -C tree --format=posix -cf tree.tar .
            head -c 100 tree.tar > truncated.tar; tar -cPf parent.tar --transform='s,^tree/,../,' tree/etc/one
            umoci init --layout image; umoci new --image image:v1; umoci raw add-layer --image image:v1 tree.tar
            """, in: folder.path)
    }

    private func path(_ name: String) -> FilePath { FilePath("\(folder.path)/\(name)") }

    private func publish(
        _ name: String, at place: RepositoryPath, in repository: borrowing FreshRepository
    ) async throws -> (report: ImportReport, isPublished: Bool) {
        let transaction = try await repository.begin()
        do {
            let report = try await transaction.sync(fromAny: path(name), at: place)
            return (report, try await transaction.commit() != nil)
        } catch {
            await transaction.abort()
            throw error
        }
    }

    @Test(
        "whatever form a tree comes in, publishing it again in another form changes nothing but the record of an image")
    func forms() async throws {
        let repository = try await FreshRepository()
        let first = try await publish("tree", at: "/deep/place", in: repository)
        #expect(first.isPublished && first.report.kind == "directory")
        for form in ["tree.tar", "tree.tar.gz"] {
            let again = try await publish(form, at: "/deep/place", in: repository)
            #expect(!again.isPublished && again.report.kind == "tar archive", "\(form)")
        }
        let image = try await publish("image", at: "/deep/place", in: repository)
        #expect(image.isPublished && image.report.image?.path == "/deep/place")
        #expect(image.report.report.added == 0 && image.report.report.changed == 0)
        #expect(try await publish("image", at: "/deep/place", in: repository).isPublished == false)
        let snapshot = try await repository.snapshot()
        #expect(try await snapshot.imageRecords().map(\.path) == ["/deep/place"])
        let report = try await snapshot.verifyImage(
            at: "/deep/place", against: path("image"), scratchFolder: FilePath(folder.path))
        #expect(report.differences == [])
        #expect(try await repository.defects() == [])
        // What is no image takes the record away.
        #expect(try await publish("tree", at: "/deep/place", in: repository).isPublished)
        #expect(try await repository.snapshot().imageRecords().isEmpty)
    }

    @Test("an image can be the whole repository")
    func wholeRepository() async throws {
        let repository = try await FreshRepository()
        #expect(try await publish("image", at: .root, in: repository).isPublished)
        #expect(try await publish("image", at: .root, in: repository).isPublished == false)
        let snapshot = try await repository.snapshot()
        #expect(try await snapshot.imageRecords().map(\.path) == [.root])
        let report = try await snapshot.verifyImage(at: .root, scratchFolder: FilePath(folder.path))
        #expect(report.differences == [] && report.entries == report.record.entries)
        // Another image below: records of several lie beside each other.
        #expect(try await publish("image", at: "/b", in: repository).isPublished)
        #expect(try await repository.snapshot().imageRecords().map(\.path) == [.root, "/b"])
    }

    @Test("an archive comes through a pipe, and stays as it was unpacked")
    func pipe() async throws {
        let repository = try await FreshRepository()
        try shell("mkfifo pipe; (cat tree.tar.gz > pipe) > /dev/null 2>&1 &", in: folder.path)
        let transaction = try await repository.begin()
        let pipe = try FileDescriptor.open(path("pipe"), .readOnly)
        defer { try? pipe.close() }
        #expect(try await transaction.sync(fromTar: pipe, label: "pipe", at: "/a").report.added > 0)
        #expect(try await transaction.commit() != nil)
        #expect(try await publish("tree", at: "/a", in: repository).isPublished == false)
    }

    @Test("a bad archive publishes nothing, and leaves nothing but objects behind")
    func failures() async throws {
        let repository = try await FreshRepository()
        #expect(try await publish("tree.tar", at: "/a", in: repository).isPublished)
        let hash = try await repository.snapshot().rootHash
        for name in ["truncated.tar", "parent.tar", "absent", "tree/etc/one"] {
            let error = await #expect(throws: PublishingError.self, "\(name)") {
                try await publish(name, at: "/a", in: repository)
            }
            #expect(error?.code == .source, "\(name)")
        }
        #expect(try await repository.snapshot().rootHash == hash)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(repository.storage)/data/txn").isEmpty)
        #expect(try await publish("tree", at: "/a", in: repository).isPublished == false)
    }
}
