internal import Synchronization
internal import SystemPackage

/// A set of objects that a `DiskStore` keeps whatever its limit says.
public struct ObjectPin: Sendable, Hashable {
    public enum Lifetime: Sendable, Hashable {
        /// Until it is released; survives processes and restarts.
        case persistent
        /// As long as its `ObjectLease`, and the process that holds it.
        case lease
    }

    public let name: String
    public let lifetime: Lifetime
    /// How many objects it keeps, or will keep once they are stored.
    public let objects: Int
}

/// Keeps objects in a `DiskStore` until it is ended, released, or its process is gone in whatever way.
public final class ObjectLease: Sendable {
    /// The objects that were not in the store when the lease was taken. They are kept as soon as they are stored.
    public let missing: [ObjectID]
    private let pins: PinFolder
    private let name: String
    private let descriptor: Mutex<Int32?>

    fileprivate init(_ pins: PinFolder, name: String, descriptor: Int32, missing: [ObjectID]) {
        self.pins = pins
        self.name = name
        self.descriptor = Mutex(descriptor)
        self.missing = missing
    }

    deinit { end() }

    /// Ends the lease; a second time nothing happens.
    public func end() {
        guard let descriptor = descriptor.withLock({ $0.take() }) else { return }
        pins.endLease(name: name, descriptor: descriptor)
    }
}

extension DiskStore {
    /// Keeps objects from eviction as long as this process holds the lease.
    ///
    /// The objects may be in the store already or come later. It takes one file and one descriptor however many they
    /// are. They may together pass the store's limit, which then cannot hold.
    ///
    /// - Parameters:
    ///   - objects: what to keep.
    ///   - owner: who wants it, for `pins()`; up to 200 bytes of UTF-8.
    /// - Throws: `CASError`: `readOnly`, `noSpace`, `system`; or `CancellationError`.
    public func lease(_ objects: some Sequence<ObjectID> & Sendable, for owner: String) async throws -> ObjectLease {
        try await BlockingPool.shared.run { [files] in
            try files.refusePinsIfReadOnly(owner)
            guard owner.utf8.count <= PinFile.mostNameBytes else {
                throw CASError(.system, "lease for \"\(owner)\": the name is too long", errno: .fileNameTooLong)
            }
            let (name, descriptor) = try files.pins.lease(PinFile(name: owner, objects: objects))
            do {
                let missing = try files.missing(objects)
                return ObjectLease(files.pins, name: name, descriptor: descriptor, missing: missing)
            } catch {
                files.pins.endLease(name: name, descriptor: descriptor)
                throw error
            }
        }
    }

    /// Keeps objects from eviction until `unpin(name)`, also after a restart of the system.
    ///
    /// The objects may be in the store already or come later; a pin of that name is replaced. The pin itself outlives a
    /// power failure, the objects do once `synchronize()` has returned. When checking what is missing is cancelled, the
    /// pin stays.
    ///
    /// - Parameters:
    ///   - name: up to 200 bytes of UTF-8, less when it holds many characters besides letters, digits, `.`, `_`, `-`.
    ///   - objects: what to keep.
    /// - Returns: the objects that are not in the store. They are kept as soon as they are stored.
    /// - Throws: `CASError`: `readOnly`, `noSpace`, `system`; or `CancellationError`.
    @discardableResult
    public func pin(
        _ name: String, _ objects: some Sequence<ObjectID> & Sendable
    ) async throws -> [ObjectID] {
        try await BlockingPool.shared.run { [files] in
            try files.refusePinsIfReadOnly(name)
            try files.pins.keep(PinFile(name: name, objects: objects))
            return try files.missing(objects)
        }
    }

    /// Ends a persistent pin: its objects may be evicted again.
    /// - Returns: false when there is no persistent pin of that name.
    /// - Throws: `CASError`: `readOnly`, `system`.
    @discardableResult
    public func unpin(_ name: String) throws(CASError) -> Bool {
        try files.refusePinsIfReadOnly(name)
        return try files.pins.release(name)
    }

    /// All pins in force, those of other processes too, by name.
    public func pins() throws(CASError) -> [ObjectPin] {
        try files.pins.all()
            .map { ObjectPin(name: $0.pin.name, lifetime: $0.isLease ? .lease : .persistent, objects: $0.pin.objects) }
            .sorted { $0.name < $1.name }
    }
}

extension ObjectFiles {
    fileprivate func refusePinsIfReadOnly(_ name: String) throws(CASError) {
        guard !folder.isWritable else { return }
        throw CASError(.readOnly, "pin \"\(name)\": cache \(folder.path) is only read")
    }

    /// Which objects are not there; what has to be checked first is checked.
    fileprivate func missing(_ objects: some Sequence<ObjectID>) throws -> [ObjectID] {
        var missing: [ObjectID] = []
        for id in objects {
            try Task.checkCancellation()
            guard case .found = try lookUp(id, touches: false) else {
                missing.append(id)
                continue
            }
        }
        return missing
    }
}
