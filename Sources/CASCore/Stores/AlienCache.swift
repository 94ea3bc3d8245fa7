internal import CPlatform
public import SystemPackage

/// A prepared cache folder of the reference ("alien cache"), read only.
///
/// **What is trusted.** The folder: it has no checksums, and a name is the hash of the compressed bytes, which are not
/// there, so nothing can be verified. Whoever may write to it decides what its readers see; the reference trusts it
/// likewise. Neither does it say whether a name stands for zlib or for uncompressed content, so the same file answers
/// for both. What can be seen is refused: an empty file that is not the empty object, and in `object` a size that the
/// catalog does not give; who uses `cached` should compare the handle's `size` with the catalog's.
///
/// It stores nothing: behind it in a `TieredStore` there should be a store that does. Source: format 6.2.
public final class AlienCache: ObjectStore {
    public let path: FilePath
    private let folder: Int32

    /// Zlib's empty stream, level 6.
    private static let emptyStream: [UInt8] = [0x78, 0x9C, 0x03, 0, 0, 0, 0, 1]
    private static let emptyObjects: Set<ObjectID> = Set(
        HashAlgorithm.allCases.flatMap { algorithm in
            [
                ObjectID(ContentHash(hashing: emptyStream.span.bytes, with: algorithm)),
                ObjectID(ContentHash(hashing: [UInt8]().span.bytes, with: algorithm), compression: .none),
            ]
        })

    /// - Parameter path: the folder with `00` to `ff` in it.
    /// - Throws: `CASError`: `incompatible` when there is no such folder in it, `system`.
    public init(at path: FilePath) throws(CASError) {
        self.path = path
        folder = path.withPlatformString { cplatform_open_folder($0) }
        if folder < 0 { throw CASError(system: folder, "alien cache \(path): cannot be opened") }
        var status = cplatform_status()
        if cplatform_status_at(folder, "00", &status) < 0 || status.is_folder == 0 {
            throw CASError(
                .incompatible, "alien cache \(path): is no cache of the reference (there is no folder \"00\")")
        }
    }

    deinit { if folder >= 0 { cplatform_close(folder) } }

    public func cached(_ id: ObjectID) throws(CASError) -> (any StoredObject)? {
        let file = ObjectName(id, marksUncompressed: false).withPointer { cplatform_open_file(folder, $0, 0) }
        if file < 0 {
            switch Errno(rawValue: -file) {
            case .noSuchFileOrDirectory, .tooManySymbolicLinkLevels, .noSuchAddressOrDevice, .notDirectory,
                .permissionDenied, .notPermitted:
                return nil
            default: throw CASError(system: file, "object \(id) in alien cache \(path): cannot be opened")
            }
        }
        var status = cplatform_status()
        guard cplatform_status_of(file, &status) >= 0, status.is_regular != 0,
            status.size > 0 || Self.emptyObjects.contains(id)
        else {
            cplatform_close(file)
            return nil
        }
        return AlienObject(id, size: status.size, descriptor: file, path: path)
    }

    /// What is there; otherwise `readOnly` is thrown and the source not asked.
    public func object(
        _ id: ObjectID, size: ContentSize, priority: FetchPriority,
        from source: @escaping @concurrent @Sendable (any ByteSink) async throws -> Void
    ) async throws -> any StoredObject {
        guard let object = try cached(id) else { throw CASError.storesNothing(id, "alien cache \(path)") }
        try size.check(object.size, of: id)
        return object
    }

    public func contains(_ id: ObjectID) -> Bool {
        var status = cplatform_status()
        let found = ObjectName(id, marksUncompressed: false).withPointer { cplatform_status_at(folder, $0, &status) }
        return found >= 0 && status.is_regular != 0 && (status.size > 0 || Self.emptyObjects.contains(id))
    }

    public func remove(_ id: ObjectID) throws(CASError) { throw CASError.storesNothing(id, "alien cache \(path)") }

    public var isReadOnly: Bool { true }
}

/// An open file of an alien cache. It is not locked: nothing is ever evicted from one.
private final class AlienObject: StoredObject {
    let id: ObjectID
    let size: Int64
    private let descriptor: Int32
    private let path: FilePath

    init(_ id: ObjectID, size: Int64, descriptor: Int32, path: FilePath) {
        self.id = id
        self.size = size
        self.descriptor = descriptor
        self.path = path
    }

    deinit { cplatform_close(descriptor) }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(CASError) -> Int {
        guard offset >= 0, offset < size else { return 0 }
        let count = min(Int64(buffer.count), size - offset)
        let result = cplatform_read_at(descriptor, buffer.baseAddress, count, offset)
        if result == count { return Int(count) }
        throw CASError(
            .system,
            "object \(id) in alien cache \(path): cannot be read at \(offset); its file was changed or its disk "
                + "fails", errno: result < 0 ? Errno(rawValue: Int32(-result)) : nil)
    }

    func withDescriptor<Result>(_ body: (FileDescriptor) throws -> Result) throws -> Result {
        try body(FileDescriptor(rawValue: descriptor))
    }
}
