internal import CPlatform
internal import Synchronization

/// Takes the plain content of an object that is being fetched into a file that nobody sees yet.
final class ObjectWriter: ContentOutput {
    private struct State: ~Copyable {
        var file: UnfinishedFile?
        var size: Int64 = 0
        var isOver = false
    }

    private let id: ObjectID
    private let files: ObjectFiles
    // A source that goes on writing when it must not is refused, and never meets a descriptor that has become another's.
    private let state = Mutex(State())

    init(_ id: ObjectID, _ files: ObjectFiles) {
        self.id = id
        self.files = files
    }

    func restart() throws(CASError) {
        try state.withLock { state throws(CASError) in
            state.size = 0
            guard let descriptor = state.file?.descriptor else { return }
            let result = cplatform_truncate(descriptor, 0)
            if result < 0 { throw failure(result) }
        }
    }

    func write(_ bytes: RawSpan) throws(CASError) {
        try state.withLock { state throws(CASError) in
            if state.isOver { throw CASError(.system, "object \(id): written to after its end") }
            try prepare(&state)
            guard let descriptor = state.file?.descriptor else { return }
            let size = state.size
            // Unsafe bytes may be captured where a span cannot.
            let result = bytes.withUnsafeBytes { bytes in
                Result { () throws(CASError) in
                    try files.evictor.retryingWhenFull { () throws(CASError) in
                        let written = cplatform_write_at(descriptor, bytes.baseAddress, Int64(bytes.count), size)
                        if written < 0 { throw failure(written) }
                    }
                }
            }
            try result.get()
            state.size += Int64(bytes.byteCount)
        }
    }

    /// Makes the object visible. What the decoder says of it is the truth; nothing can be written any more.
    func commit(size: Int64, checksum: UInt32) throws(CASError) -> CachedObject {
        let file = try state.withLock { state throws(CASError) -> UnfinishedFile in
            guard !state.isOver, state.size == size else {
                throw CASError(.system, "object \(id): its file has \(state.size) bytes instead of \(size)")
            }
            try prepare(&state)
            state.isOver = true
            guard let file = state.file.take() else { throw CASError(.system, "object \(id): was stored twice") }
            return file
        }
        return try files.commit(file, id, size: size, checksum: checksum)
    }

    private func prepare(_ state: inout State) throws(CASError) {
        guard state.file == nil else { return }
        let place = ObjectName.folderName(ObjectName(id).folder)
        state.file = try files.evictor.retryingWhenFull { () throws(CASError) in
            try UnfinishedFile(in: files.folder, place: place)
        }
    }

    private func failure(_ result: Int32) -> CASError {
        CASError(system: result, "object \(id): cannot be written to cache \(files.folder.path)", writes: true)
    }
}
