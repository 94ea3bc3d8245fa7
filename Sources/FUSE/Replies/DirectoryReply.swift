internal import CFUSE
public import SystemPackage

/// Records of a folder, added one after the other until there is no room or no more of them; then ``finish()``.
public struct DirectoryReply: Reply, ~Copyable {
    let answer: Answer
    let taken: TakenBuffer
    let capacity: Int
    /// Whether the kernel takes attributes with the names.
    public let withAttributes: Bool
    private var used = 0

    init?(answer: consuming Answer, count: Int, withAttributes: Bool) {
        guard let taken = TakenBuffer(from: answer.channel.shared.buffers) else {
            answer.fail(.noMemory)
            return nil
        }
        capacity = min(count, taken.buffer.memory.count)
        self.answer = answer
        self.taken = taken
        self.withAttributes = withAttributes
    }

    public var key: RequestKey { answer.key }
    public consuming func fail(_ error: Errno) { answer.fail(error) }

    /// Adds an entry with its attributes. If the kernel takes attributes (``withAttributes``), it counts as a lookup of
    /// its node.
    /// - Parameters:
    ///   - name: its name, without a slash.
    ///   - entry: what a lookup would answer.
    ///   - next: the position behind the entry: where a later call goes on. Not 0.
    /// - Returns: whether there was room; if not, the entry was not added.
    public mutating func add(_ name: Span<UInt8>, _ entry: Entry, next: UInt64) -> Bool {
        name.withUnsafeBytes { name in
            guard let record = room(for: name.count) else { return false }
            if withAttributes { record.storeBytes(of: entry.wire, as: fuse_entry_out.self) }
            put(name, inode: entry.attributes.inode, type: entry.attributes.directoryType, next: next, into: record)
            return true
        }
    }

    /// Adds an entry without attributes; the kernel looks it up when it needs them. So `.` and `..` are added.
    public mutating func add(_ name: Span<UInt8>, inode: UInt64, type: UInt32, next: UInt64) -> Bool {
        name.withUnsafeBytes { name in
            guard let record = room(for: name.count) else { return false }
            if withAttributes { record.storeBytes(of: fuse_entry_out(), as: fuse_entry_out.self) }
            put(name, inode: inode, type: type, next: next, into: record)
            return true
        }
    }

    public consuming func finish() {
        answer.send(bytes: UnsafeRawBufferPointer(rebasing: taken.buffer.memory.prefix(used)))
    }

    private var front: Int { withAttributes ? MemoryLayout<fuse_entry_out>.size : 0 }

    private mutating func room(for name: Int) -> UnsafeMutableRawPointer? {
        let size = (front + MemoryLayout<cfuse_dirent_head>.size + name + 7) & ~7
        guard size <= capacity - used else { return nil }
        let record = taken.buffer.memory.baseAddress! + used
        // What was here before must not reach another program.
        record.storeBytes(of: 0, toByteOffset: size - 8, as: UInt64.self)
        used += size
        return record
    }

    private func put(
        _ name: UnsafeRawBufferPointer, inode: UInt64, type: UInt32, next: UInt64, into record: UnsafeMutableRawPointer
    ) {
        let head = cfuse_dirent_head(ino: inode, off: next, namelen: UInt32(name.count), type: type)
        (record + front).storeBytes(of: head, as: cfuse_dirent_head.self)
        if let start = name.baseAddress {
            (record + front + MemoryLayout<cfuse_dirent_head>.size).copyMemory(from: start, byteCount: name.count)
        }
    }
}
