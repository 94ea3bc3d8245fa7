internal import CASCore
internal import CPlatform
internal import CVMFS
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Says in the state folder that objects are being written which are not synchronised yet, and in which boot of the
/// machine. After a crash of the machine such objects may be empty or torn, though they have their names.
///
/// ```
/// <boot id in hexadecimal>      one line; a second one, "suspect", when what is there was left by a crash
/// ```
struct WritingMarker {
    private static let suspect = "suspect"

    private let path: FilePath

    init(_ state: StateFolder) { path = state.path.appending("unsynchronised") }

    /// What is left of a writer that did not end: since when, in nanoseconds since 1970, and whether the machine has
    /// crashed since; `nil` when every writer ended well.
    func leftover() throws -> (since: Int64, crashed: Bool)? {
        guard let text = try LocalFile.read(path, limit: PublishingLimits.settingsBytes) else { return nil }
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        let file = try LockFile(opening: path)
        return (try file.modified(), lines.first.map(String.init) != Self.boot || lines.contains("suspect"))
    }

    func set(suspects: Bool) throws {
        let lines = [Self.boot] + (suspects ? [Self.suspect] : [])
        try LocalFile.replace(path, with: Array(lines.joined(separator: "\n").utf8))
    }

    func remove() { _ = path.withPlatformString { unlink($0) } }

    /// The boot's id; a random one where the system does not tell, so that any leftover is suspect.
    private static let boot: String = {
        var bytes = [UInt8](repeating: 0, count: 16)
        if cplatform_boot_id(&bytes) < 0 { bytes = (0..<16).map { _ in UInt8.random(in: 0...255) } }
        return bytes.map { String($0, radix: 16) }.joined(separator: ".")
    }()
}

extension LocalStorage {
    /// Makes ready for storing objects. The caller holds the writer's lock.
    ///
    /// When the machine has crashed while objects were written, those of that time are hashed, and removed where they
    /// are not whole; nothing refers to them, since a manifest is replaced only after everything was synchronised.
    /// - Returns: whether that was so: then a catalog that is there may lack objects below it.
    @discardableResult
    package func beginWriting() async throws -> Bool {
        guard let time = try markWriting() else { return false }
        try await removeTorn(since: time)
        try markChecked()
        return true
    }

    /// The same on this thread alone, which after a crash may take long.
    @discardableResult
    package func beginWritingHere() throws -> Bool {
        guard let time = try markWriting() else { return false }
        for number in UInt8.min ... .max { try removeTorn(inFolder: number, since: time) }
        try markChecked()
        return true
    }

    /// Says that objects are being written.
    /// - Returns: since when, in nanoseconds since 1970, objects may be torn; `nil` when all are whole.
    private func markWriting() throws -> Int64? {
        let state = StateFolder(storage: FilePath(path))
        try state.make()
        let marker = WritingMarker(state)
        let leftover = try marker.leftover()
        guard let leftover, leftover.crashed else {
            // One that is there already keeps its time.
            if leftover == nil { try marker.set(suspects: false) }
            return nil
        }
        return leftover.since - FileIdentity.settlingNanoseconds
    }

    private func markChecked() throws {
        try synchronize()
        try WritingMarker(StateFolder(storage: FilePath(path))).set(suspects: true)
    }

    /// Makes durable what was stored since `beginWriting()`.
    package func endWriting() throws {
        try synchronize()
        WritingMarker(StateFolder(storage: FilePath(path))).remove()
    }

    private func removeTorn(since time: Int64) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in UInt8.min ... .max {
                group.addTask {
                    try await BlockingPool.shared.run { try self.removeTorn(inFolder: number, since: time) }
                }
            }
            try await group.waitForAll()
        }
    }

    private func removeTorn(inFolder number: UInt8, since time: Int64) throws {
        for file in try objects(inFolder: number) where file.modified >= time {
            if try isTorn(file.object) { try remove(file.object) }
        }
    }

    /// Whether the stored bytes are not those of the name.
    func isTorn(_ object: ObjectID) throws(PublishingError) -> Bool {
        let file = cplatform_open_file(folder, object.serverPath, 0)
        guard file >= 0 else { throw failure(file, object.serverPath, "cannot be opened") }
        defer { cplatform_close(file) }
        var hasher = ContentHasher(object.hash.algorithm)
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: PipelineLimits.readBytes, alignment: 64)
        defer { piece.deallocate() }
        var offset: Int64 = 0
        while true {
            let count = cplatform_read_at(file, piece.baseAddress, Int64(piece.count), offset)
            guard count >= 0 else { throw failure(Int32(count), object.serverPath, "cannot be read") }
            if count == 0 { return hasher.finalize() != object.hash }
            hasher.update(UnsafeRawBufferPointer(rebasing: piece[..<Int(count)]).bytes)
            offset += count
        }
    }
}
