internal import Synchronization

/// Verifies an object while its stored bytes come in, and unpacks it into an output.
///
/// Nothing is judged good before the hash of all stored bytes fits the name; until `finish()` has succeeded the output
/// holds what an attacker may have sent. The plain content never exceeds the size that is expected, however the stored
/// bytes are made.
///
/// What the three methods throw is a `CASError`: `hashMismatch`, `corruptStream`, `sizeMismatch`, `tooLarge`, or the
/// output's own.
package final class ContentDecoder: ByteSink, Sendable {
    private struct State: ~Copyable {
        var isOpen = false
        var hasher: ContentHasher
        var inflater: Inflater?
        var checksum = Checksum()
        var size: Int64 = 0
        var result: (size: Int64, checksum: UInt32)?
    }

    private let id: ObjectID
    private let size: ContentSize
    private let output: any ContentOutput
    private let budget: InflateBudget
    /// Locked for the whole of a call: calls come one after another anyway, and this makes a caller's error harmless.
    private let state: Mutex<State>

    /// - Parameters:
    ///   - size: what is known of the plain content's size, in bytes.
    ///   - output: gets the plain content.
    package init(id: ObjectID, size: ContentSize, output: any ContentOutput, budget: InflateBudget = .shared) {
        self.id = id
        self.size = size
        self.output = output
        self.budget = budget
        state = Mutex(State(hasher: ContentHasher(id.hash.algorithm)))
    }

    /// Size and CRC-32 of the plain content; `nil` until `finish()` has succeeded.
    package var result: (size: Int64, checksum: UInt32)? { state.withLock { $0.result } }

    package func restart(expectedLength: Int?) throws(CASError) {
        try state.withLock { state throws(CASError) in
            state.isOpen = false
            state.result = nil
            state.hasher = ContentHasher(id.hash.algorithm)
            state.checksum = Checksum()
            state.size = 0
            if id.compression == .zlib { state.inflater = try Inflater() }
            try output.restart()
            state.isOpen = true
        }
    }

    package func write(_ bytes: RawSpan) throws(CASError) {
        try state.withLock { state throws(CASError) in
            guard state.isOpen else { throw CASError(.system, "object \(id): written to without a restart") }
            state.isOpen = false
            state.hasher.update(bytes)
            try unpack(bytes, &state)
            state.isOpen = true
        }
    }

    package func finish() throws(CASError) {
        try state.withLock { state throws(CASError) in
            guard state.isOpen else { throw CASError(.system, "object \(id): finished without a restart") }
            state.isOpen = false
            let found = state.hasher.finalize()
            guard found == id.hash else {
                throw CASError(.hashMismatch, "object \(id): the bytes received have the hash \(found)")
            }
            do throws(CASError) { try state.inflater?.finish() } catch { throw named(error) }
            if case .exactly(let expected) = size, state.size != expected {
                throw CASError(.sizeMismatch, "object \(id): has \(state.size) bytes instead of \(expected)")
            }
            state.result = (state.size, state.checksum.value)
        }
    }

    private var limit: Int64 {
        switch size {
        case .exactly(let bytes), .atMost(let bytes): bytes
        }
    }

    private func unpack(_ bytes: RawSpan, _ state: inout State) throws(CASError) {
        guard id.compression == .zlib else { return try take(bytes, &state) }
        do throws(CASError) {
            var plain = state.size
            var checksum = state.checksum
            try state.inflater?.update(bytes, limit: limit) { piece throws(CASError) in
                plain += Int64(piece.byteCount)
                checksum.update(piece)
                try output.write(piece)
            }
            state.size = plain
            state.checksum = checksum
        } catch { throw named(error) }
    }

    private func take(_ bytes: RawSpan, _ state: inout State) throws(CASError) {
        guard Int64(bytes.byteCount) <= limit - state.size else {
            throw named(CASError(.tooLarge, "has more than the \(limit) bytes expected"))
        }
        state.size += Int64(bytes.byteCount)
        state.checksum.update(bytes)
        try output.write(bytes)
    }

    /// The error with the object's name, unless it is the output's own.
    private func named(_ error: CASError) -> CASError {
        guard error.isBadData else { return error }
        var code = error.code
        if code == .tooLarge, case .exactly = size { code = .sizeMismatch }
        return CASError(code, "object \(id): \(error.message)", cause: error)
    }
}
