internal import CFUSE
public import SystemPackage

/// The answer to a lookup, or to a call that makes an entry.
public struct EntryReply: Reply, ~Copyable {
    let answer: Answer

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }

    /// The entry; it counts as a lookup of its node.
    public consuming func send(_ entry: Entry) { answer.send(entry.wire) }

    /// There is no such entry, and for so long the kernel need not ask again.
    public consuming func sendAbsent(validity: Validity) {
        if validity == .none { return answer.fail(.noSuchFileOrDirectory) }
        var wire = fuse_entry_out()
        wire.entry_valid = validity.seconds
        wire.entry_valid_nsec = validity.nanoseconds
        answer.send(wire)
    }
}

public struct AttributesReply: Reply, ~Copyable {
    let answer: Answer
    /// Asked by statx(2) for what stat(2) does not tell.
    let isStatx: Bool

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }

    public consuming func send(_ attributes: Attributes, validity: Validity = .forever) {
        if isStatx {
            var wire = cfuse_statx_out()
            wire.attr_valid = validity.seconds
            wire.attr_valid_nsec = validity.nanoseconds
            wire.stat = attributes.statx
            answer.send(wire)
        } else {
            answer.send(
                fuse_attr_out(
                    attr_valid: validity.seconds, attr_valid_nsec: validity.nanoseconds, dummy: 0,
                    attr: attributes.wire))
        }
    }
}

/// The target of a symlink.
public struct LinkReply: Reply, ~Copyable {
    let answer: Answer

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }

    /// At most 4095 bytes; more are ENAMETOOLONG.
    public consuming func send(_ target: UnsafeRawBufferPointer) {
        if target.count > FUSELimits.nameBytes { return answer.fail(.fileNameTooLong) }
        answer.send(bytes: target)
    }

    public consuming func send(_ target: Span<UInt8>) {
        if target.count > FUSELimits.nameBytes { return answer.fail(.fileNameTooLong) }
        answer.send(target.bytes)
    }
}

/// The content that a READ asked for.
public struct ReadReply: Reply, ~Copyable {
    let answer: Answer
    /// Bytes that were asked for; an answer is never longer.
    public let count: Int

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }

    /// Bytes of resident memory (see ``FileSystem``). What is beyond `count` is left out.
    public consuming func send(_ bytes: UnsafeRawBufferPointer) {
        answer.send(bytes: UnsafeRawBufferPointer(rebasing: bytes.prefix(count)))
    }

    public consuming func send(_ bytes: RawSpan) {
        answer.send(bytes.extracting(0..<min(count, bytes.byteCount)))
    }

    /// What a file holds from `offset` on, up to `limit` bytes or as many as were asked for; without passing through
    /// this process where that is faster.
    public consuming func send(from file: FileDescriptor, at offset: Int64, limit: Int = .max) {
        answer.send(from: file.rawValue, at: offset, count: max(min(count, limit), 0))
    }

    /// What `body` writes into a buffer of `count` bytes, as many as it returns.
    public consuming func send<Failure>(filledBy body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int)
        throws(Failure)
    {
        guard let taken = TakenBuffer(from: answer.channel.shared.buffers) else { return answer.fail(.noMemory) }
        let room = UnsafeMutableRawBufferPointer(rebasing: taken.buffer.memory.prefix(count))
        let written = try body(room)
        answer.send(bytes: UnsafeRawBufferPointer(rebasing: room.prefix(max(written, 0))))
    }
}

public struct OpenReply: Reply, ~Copyable {
    let answer: Answer

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }

    public consuming func send(handle: FileHandle, options: OpenOptions = []) {
        answer.send(cfuse_open_out(fh: handle.rawValue, open_flags: options.rawValue, backing_id: 0))
    }

    /// From now on the kernel reads the backing file instead of asking. It must be complete.
    public consuming func send(handle: FileHandle, passingThroughTo file: BackingFile) {
        send(handle: handle, passingThroughTo: file.id)
    }

    public consuming func send(handle: FileHandle, passingThroughTo file: BackingID) {
        answer.send(
            cfuse_open_out(
                fh: handle.rawValue, open_flags: OpenOptions.passthrough.rawValue, backing_id: file.rawValue))
    }
}

/// Done, or not.
public struct StatusReply: Reply, ~Copyable {
    let answer: Answer

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }
    public consuming func succeed() { answer.succeed() }
}

public struct StatisticsReply: Reply, ~Copyable {
    let answer: Answer

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }
    public consuming func send(_ statistics: Statistics) { answer.send(statistics.wire) }
}

/// The answer to a write: how many bytes were taken.
public struct WriteReply: Reply, ~Copyable {
    let answer: Answer

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }
    public consuming func send(written count: Int) {
        answer.send(fuse_write_out(size: UInt32(clamping: count), padding: 0))
    }
}

/// The position of data or of a hole.
public struct OffsetReply: Reply, ~Copyable {
    let answer: Answer

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }
    public consuming func send(_ offset: UInt64) { answer.send(fuse_lseek_out(offset: offset)) }
}

/// The value of an extended attribute, or the list of all names.
public struct ExtendedAttributeReply: Reply, ~Copyable {
    let answer: Answer
    /// Room that the caller has; 0 when it only asks for the length.
    public let count: Int

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }

    /// There is no such attribute (ENODATA).
    public consuming func sendAbsent() { answer.fail(.noData) }

    /// The value, or its length when that was asked for; ERANGE when the room does not suffice.
    public consuming func send(_ value: UnsafeRawBufferPointer) {
        if count == 0 { return answer.send(fuse_getxattr_out(size: UInt32(clamping: value.count), padding: 0)) }
        if value.count > count { return answer.fail(.outOfRange) }
        answer.send(bytes: value)
    }

    public consuming func send(_ value: RawSpan) {
        if count == 0 { return answer.send(fuse_getxattr_out(size: UInt32(clamping: value.byteCount), padding: 0)) }
        if value.byteCount > count { return answer.fail(.outOfRange) }
        answer.send(value)
    }
}
