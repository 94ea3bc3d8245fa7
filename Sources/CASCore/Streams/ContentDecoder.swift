internal import Synchronization

/// Verifies an object while its stored bytes come in, and unpacks it into an output.
///
/// Nothing is judged good before the hash of all stored bytes fits the name; until `finish()` has succeeded the output
/// holds what an attacker may have sent. The content never exceeds the size that is expected, however the stored bytes
/// are made.
///
/// There are three ways, chosen anew in every attempt:
/// - A body that comes in one piece is hashed, and unpacked right away when the hash fits.
/// - A zlib object whose size is known is collected and hashed, and unpacked whole once the hash fits.
/// - Anything else, and what finds no room in the budget, is unpacked as it comes: only zlib sees unverified bytes.
///
/// What the three methods throw is a `CASError`: `hashMismatch`, `corruptStream`, `sizeMismatch`, `tooLarge`, or the
/// output's own.
package final class ContentDecoder: ByteSink, Sendable {
    private let id: ObjectID
    private let size: ContentSize
    private let output: any ContentOutput
    private let budget: InflateBudget
    /// Locked for the whole of a call: calls come one after another anyway, and this makes a caller's error harmless.
    private let state = Mutex(DecoderState())

    /// - Parameters:
    ///   - size: what is known of the plain content's size, in bytes.
    ///   - output: gets the plain content.
    package init(id: ObjectID, size: ContentSize, output: any ContentOutput, budget: InflateBudget = .shared) {
        self.id = id
        self.size = size
        self.output = output
        self.budget = budget
    }

    deinit { state.withLock { $0.giveBackParts() } }

    /// Size and CRC-32 of the plain content; `nil` until `finish()` has succeeded.
    package var result: (size: Int64, checksum: UInt32)? { state.withLock { $0.result } }

    package func restart(expectedLength: Int?) throws(CASError) {
        try state.withLock { state throws(CASError) in
            state.isOpen = false
            state.restart(expectedLength: expectedLength)
            guard mostPlain >= 0 else {
                throw CASError(.sizeMismatch, "object \(id): its catalog gives it the size \(mostPlain)")
            }
            try output.restart()
            state.isOpen = true
        }
    }

    package func write(_ bytes: RawSpan) throws(CASError) {
        try attempt("more bytes come") { state throws(CASError) in
            if bytes.byteCount > 0 { try take(bytes, &state) }
        }
    }

    package func finish() throws(CASError) {
        try attempt("the end comes") { state throws(CASError) in
            try complete(&state)
            state.isOpen = false
            state.giveBackParts()
        }
    }

    /// Runs a step of the attempt under way. After a failure only a restart goes on.
    private func attempt(
        _ step: String, _ body: (inout DecoderState) throws(CASError) -> Void
    ) throws(CASError) {
        try state.withLock { state throws(CASError) in
            guard state.isOpen else { throw CASError(.system, "object \(id): \(step) without a restart before") }
            do throws(CASError) {
                try body(&state)
            } catch {
                state.isOpen = false
                state.giveBackParts()
                throw named(error)
            }
        }
    }

    // MARK: Stored bytes

    private func take(_ bytes: RawSpan, _ state: inout DecoderState) throws(CASError) {
        guard !state.isVerified else {
            throw CASError(.hashMismatch, "more bytes follow the \(state.stored) that the name stands for")
        }
        guard bytes.byteCount <= mostStored - state.stored else {
            throw CASError(.tooLarge, "more bytes come than the \(mostStored) that content of its size can have")
        }
        let isFirst = state.stored == 0
        state.stored += Int64(bytes.byteCount)
        if isFirst {
            if state.expectedLength == bytes.byteCount,
                ContentHash(hashing: bytes, with: id.hash.algorithm) == id.hash
            {
                state.isVerified = true
                return try unpackVerified(bytes, &state)
            }
            state.hasher = ContentHasher(id.hash.algorithm)
            state.room = roomToCollect(expectedLength: state.expectedLength)
        }
        state.hasher?.update(bytes)
        if state.room != nil {
            if collect(bytes, &state) { return }
            try stopCollecting(before: bytes.byteCount, &state)
        }
        try unpack(bytes, &state)
    }

    private func complete(_ state: inout DecoderState) throws(CASError) {
        if !state.isVerified {
            let found = state.hasher?.finalize() ?? ContentHash(hashing: RawSpan(), with: id.hash.algorithm)
            guard found == id.hash else {
                throw CASError(.hashMismatch, "the \(state.stored) bytes received have the hash \(found)")
            }
            if let room = state.room?.bytes, let plain = sizeOfWhole {
                let collected = UnsafeRawBufferPointer(rebasing: room[..<Int(state.stored)])
                let rest = UnsafeMutableRawBufferPointer(rebasing: room[(room.count - plain)...])
                try unpackWhole(collected.bytes, into: rest, &state)
            } else if id.compression == .zlib, state.stored == 0 {
                throw CASError(.corruptStream, "no bytes are no zlib stream")
            }
        }
        try state.inflater?.finish()
        if case .exactly(let expected) = size, state.plain != expected {
            throw CASError(.sizeMismatch, "the content has \(state.plain) bytes instead of \(expected)")
        }
        state.result = (state.plain, state.checksum.value)
    }

    // MARK: Whole

    /// Room for the stored bytes and the content, where both sizes are known and unpacking whole is worth it.
    private func roomToCollect(expectedLength: Int?) -> InflateRoom? {
        guard let plain = sizeOfWhole else { return nil }
        // Without a hint most objects fit into three quarters. What turns out longer is streamed after all, so it does
        // no harm when the hint is a lie.
        let hint = expectedLength.map { Int64(max(0, $0)) } ?? Int64(plain / 4 * 3 + 4096)
        let stored = min(hint, mostStored)
        let (sum, overflow) = stored.addingReportingOverflow(Int64(plain))
        return overflow ? nil : budget.room(Int(sum))
    }

    /// The content's size if it can be unpacked whole.
    private var sizeOfWhole: Int? {
        guard id.compression == .zlib, case .exactly(let plain) = size else { return nil }
        return Int(plain)
    }

    /// Keeps the bytes for later; false when there are more than was planned for.
    private func collect(_ bytes: RawSpan, _ state: inout DecoderState) -> Bool {
        guard let room = state.room?.bytes, let plain = sizeOfWhole else { return false }
        let end = Int(state.stored)
        guard end <= room.count - plain else { return false }
        bytes.withUnsafeBytes { room[(end - $0.count)..<end].copyBytes(from: $0) }
        return true
    }

    /// Streams what was collected.
    private func stopCollecting(before count: Int, _ state: inout DecoderState) throws(CASError) {
        guard let room = state.room?.bytes else { return }
        try unpack(UnsafeRawBufferPointer(rebasing: room[..<(Int(state.stored) - count)]).bytes, &state)
        state.room = nil
    }

    private func unpackVerified(_ bytes: RawSpan, _ state: inout DecoderState) throws(CASError) {
        guard let plain = sizeOfWhole else { return try unpack(bytes, &state) }
        state.room = budget.room(plain)
        guard let room = state.room?.bytes else { return try unpack(bytes, &state) }
        try unpackWhole(bytes, into: room, &state)
        state.room = nil
    }

    /// - Parameter plain: in the state's room, which stays there meanwhile.
    private func unpackWhole(
        _ stored: RawSpan, into plain: UnsafeMutableRawBufferPointer, _ state: inout DecoderState
    ) throws(CASError) {
        #if libdeflate
            if WholeInflater.inflate(stored, into: plain) {
                return try give(UnsafeRawBufferPointer(plain).bytes, &state)
            }
        #endif
        try unpack(stored, &state)
    }

    // MARK: Streaming

    private func unpack(_ bytes: RawSpan, _ state: inout DecoderState) throws(CASError) {
        guard id.compression == .zlib else { return try give(bytes, &state) }
        if state.inflater == nil { state.inflater = try Inflater.idleOrNew() }
        // Out of the state, since the closure changes the state.
        guard var inflater = state.inflater.take() else { return }
        do throws(CASError) {
            try inflater.update(bytes, limit: mostPlain) { piece throws(CASError) in try give(piece, &state) }
        } catch {
            state.inflater = consume inflater
            throw error
        }
        state.inflater = consume inflater
    }

    private func give(_ plain: RawSpan, _ state: inout DecoderState) throws(CASError) {
        state.plain += Int64(plain.byteCount)
        state.checksum.update(plain)
        try output.write(plain)
    }

    // MARK: Bounds

    private var mostPlain: Int64 {
        switch size {
        case .exactly(let bytes), .atMost(let bytes): bytes
        }
    }

    private var mostStored: Int64 { id.compression.mostStoredBytes(ofPlain: mostPlain) }

    /// The error with the object's name, unless it is the output's own.
    private func named(_ error: CASError) -> CASError {
        guard error.isBadData else { return error }
        var code = error.code
        if code == .tooLarge, case .exactly = size { code = .sizeMismatch }
        return CASError(code, "object \(id): \(error.message)", cause: error.cause)
    }
}
