internal import CASCore
internal import CPlatform
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// A multitude of objects on disk, in 256 files by the first byte of their hashes, as the objects themselves are: what
/// concerns one folder of objects fits in memory, however many there are in all.
final class HashPartitions: Sendable {
    private let folder: FilePath
    private let name: String
    private let buffers: [Partition]

    private final class Partition: Sendable {
        let pending = Mutex<[UInt8]>([])
    }

    /// Digest, algorithm, kind.
    private static let recordBytes = HashAlgorithm.digestLength + 2
    /// So that all buffers together hold 4 MiB.
    private static let bufferBytes = 16 << 10

    init(_ name: String, in folder: FilePath) {
        self.folder = folder
        self.name = name
        buffers = (0..<256).map { _ in Partition() }
    }

    /// Adds an object; the same one may be added often. Any number of threads may do so.
    func add(_ object: ObjectID) throws {
        let partition = Int(object.hash.withDigest { $0.unsafeLoad(as: UInt8.self) })
        try buffers[partition].pending.withLock { pending in
            object.hash.withDigest { digest in digest.withUnsafeBytes { pending.append(contentsOf: $0) } }
            pending.append(object.hash.algorithm.rawValue)
            pending.append(object.kind.rawValue)
            if pending.count >= Self.bufferBytes { try flush(&pending, partition) }
        }
    }

    /// Each of the objects in one partition once (a hash with two kinds is two), sorted by hash.
    func objects(in partition: UInt8) throws -> [ObjectID] {
        let pending = buffers[Int(partition)].pending.withLock { $0 }
        let bytes = try stored(partition) + pending
        var objects: [ObjectID] = []
        objects.reserveCapacity(bytes.count / Self.recordBytes)
        for start in stride(from: 0, to: bytes.count, by: Self.recordBytes) {
            let digest = bytes[start..<(start + HashAlgorithm.digestLength)]
            guard let algorithm = HashAlgorithm(rawValue: bytes[digest.endIndex]),
                let kind = ObjectKind(rawValue: bytes[digest.endIndex + 1]),
                let hash = ContentHash(algorithm: algorithm, digest: digest)
            else { throw PublishingError(.storage, "\(path(Int(partition))) is damaged") }
            objects.append(ObjectID(hash, kind: kind))
        }
        objects.sort { ($0.hash, $0.kind.rawValue) < ($1.hash, $1.kind.rawValue) }
        var unique: [ObjectID] = []
        for object in objects where unique.last.map({ ($0.hash, $0.kind) != (object.hash, object.kind) }) ?? true {
            unique.append(object)
        }
        return unique
    }

    func hashes(in partition: UInt8) throws -> Set<ContentHash> { Set(try objects(in: partition).map(\.hash)) }

    private func path(_ partition: Int) -> FilePath { folder.appending("\(name)-\(partition)") }

    private func flush(_ pending: inout [UInt8], _ partition: Int) throws {
        let path = path(partition)
        do {
            let file = try FileDescriptor.open(
                path, .writeOnly, options: [.create, .append, .closeOnExec], permissions: .ownerReadWrite)
            try file.closeAfter { _ = try file.writeAll(pending) }
        } catch {
            throw PublishingError(.storage, "\(path) cannot be written", cause: error)
        }
        pending.removeAll(keepingCapacity: true)
    }

    private func stored(_ partition: UInt8) throws -> [UInt8] {
        let path = path(Int(partition))
        do {
            let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
            return try file.closeAfter {
                let size = Int(try file.seek(offset: 0, from: .end))
                var bytes = [UInt8](repeating: 0, count: size)
                let count = try bytes.withUnsafeMutableBytes { try file.read(fromAbsoluteOffset: 0, into: $0) }
                guard count == size else { throw Errno.ioError }
                return bytes
            }
        } catch Errno.noSuchFileOrDirectory {
            return []
        } catch {
            throw PublishingError(.storage, "\(path) cannot be read", cause: error)
        }
    }
}
