internal import CASCore
internal import Synchronization

/// Takes the stored bytes of an object from a server into a scratch file of a storage, and verifies them. They are not
/// unpacked: an object's name is the hash of its bytes as they are stored.
final class StoredObjectSink: ByteSink {
    private struct State: ~Copyable {
        var file: ScratchFile?
        var hasher: ContentHasher
        var isVerified = false
        var bytes: Int64 = 0
    }

    private let object: ObjectID
    private let storage: LocalStorage
    private let state: Mutex<State>

    init(_ object: ObjectID, in storage: LocalStorage) {
        self.object = object
        self.storage = storage
        state = Mutex(State(hasher: ContentHasher(object.hash.algorithm)))
    }

    /// Bytes as stored.
    var bytes: Int64 { state.withLock { $0.bytes } }

    func restart(expectedLength: Int?) throws {
        try state.withLock { state in
            state.file = try ScratchFile(in: storage, for: object)
            state.hasher = ContentHasher(object.hash.algorithm)
            state.isVerified = false
            state.bytes = 0
        }
    }

    func write(_ bytes: RawSpan) throws {
        try state.withLock { state in
            state.hasher.update(bytes)
            try state.file?.write(bytes)
            state.bytes += Int64(bytes.byteCount)
        }
    }

    func finish() throws {
        try state.withLock { state in
            let hash = state.hasher.finalize()
            guard hash == object.hash else {
                throw CASError(.hashMismatch, "object \(object): the server's bytes have the hash \(hash)")
            }
            state.isVerified = true
        }
    }

    /// Stores the object.
    func publish() throws { try take().publish(as: object) }

    /// Leaves the verified bytes in a scratch file, and gives its name below the storage's folder.
    func keep() throws -> String { try take().keep() }

    private func take() throws -> ScratchFile {
        try state.withLock { state in
            guard state.isVerified, let file = state.file.take() else {
                throw PublishingError(.network, "object \(object) was not transferred to its end")
            }
            return file
        }
    }
}
