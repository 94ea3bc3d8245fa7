import CPlatform
import CVMFSTesting
import Foundation
import SystemPackage
import Testing

@testable import CASCore

/// A folder of a test's own, removed with it.
final class TestFolder: Sendable {
    let path: FilePath

    init() {
        path = FilePath(NSTemporaryDirectory()).appending("cvmfs-store-\(UInt64.random(in: 0 ... .max))")
        mkdir(path.string, 0o700)
    }

    deinit { try? FileManager.default.removeItem(atPath: path.string) }
}

extension DiskStore {
    /// Stores an object, straight from its bytes.
    @discardableResult
    func store(_ object: SampleObject) async throws -> any StoredObject {
        try await self.object(object.id, size: .exactly(Int64(object.plain.count))) { try object.send(to: $0) }
    }

    /// The file of an object.
    func file(of object: SampleObject) -> FilePath {
        path.appending(ObjectName(object.id).withPointer { FilePath(platformString: $0) }.components)
    }

    /// Sets when an object was last used, in seconds since 1970, unless it is gone.
    func setAccessed(_ object: SampleObject, _ seconds: Int64) {
        let file = openFile(self.file(of: object).string)
        guard file >= 0 else { return }
        defer { cplatform_close(file) }
        #expect(cplatform_set_accessed(file, seconds * 1_000_000_000) == 0)
    }

    /// What lies in the folders, whatever the counters say.
    func countedByHand() throws -> StoreUsage {
        var (bytes, objects) = (Int64(0), Int64(0))
        for folder in ObjectFolder.all {
            for entry in try folder.entries(in: files.folder) where entry.isRegular {
                bytes += UsageCounters.charge(entry.size)
                objects += 1
            }
        }
        return StoreUsage(size: .bytes(bytes), objects: objects)
    }
}

private func openFile(_ path: String) -> Int32 { open(path, O_RDONLY | O_NOFOLLOW) }

extension StoredObject {
    /// The whole content.
    func readAll() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: Int(size) + 1)
        let count = try bytes.withUnsafeMutableBytes { try read(into: $0, at: 0) }
        return Array(bytes.prefix(count))
    }
}

/// The code of the `CASError` that `body` throws; `nil` when it does not throw one.
func refusal(_ body: () async throws -> Void) async -> CASError.Code? {
    do { try await body() } catch { return (error as? CASError)?.code }
    return nil
}
