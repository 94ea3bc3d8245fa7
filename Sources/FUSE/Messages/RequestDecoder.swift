internal import CFUSE

/// What a message cannot be decoded for.
enum Malformation: Error, Equatable {
    /// There is not even a header; nobody can be answered.
    case noHeader
    /// The header's length is not the message's.
    case wrongLength
    /// It is shorter than its kind must be.
    case tooShort
    /// A name is empty, too long, not ended, or has a slash.
    case badName
    case tooLarge
}

/// Decodes messages of the kernel without copying. The memory must outlive what comes out.
enum RequestDecoder {
    static let headerSize = MemoryLayout<fuse_in_header>.size

    /// Who asks; what is wrong with the rest shows only in `operation`.
    static func header(of message: UnsafeRawBufferPointer) throws(Malformation) -> (request: Request, opcode: UInt32) {
        guard message.count >= headerSize else { throw .noHeader }
        let header = message.loadUnaligned(as: fuse_in_header.self)
        let request = Request(
            unique: header.unique, node: NodeID(rawValue: header.nodeid), user: header.uid, group: header.gid,
            process: header.pid)
        return (request, header.opcode)
    }

    static func operation(of message: UnsafeRawBufferPointer) throws(Malformation) -> Operation {
        guard message.count >= headerSize else { throw .noHeader }
        let header = message.loadUnaligned(as: fuse_in_header.self)
        guard Int(header.len) == message.count else { throw .wrongLength }
        // Extensions (7.36), in units of 8 bytes, stand at the end; none is asked for.
        let end = message.count - 8 * Int(header.total_extlen)
        guard end >= headerSize else { throw .tooShort }
        return try operation(
            header.opcode, Arguments(rest: UnsafeRawBufferPointer(rebasing: message[headerSize..<end])))
    }

    static func operation(of message: SplitMessage) throws(Malformation) -> Operation {
        guard message.header.count >= headerSize else { throw .noHeader }
        let header = message.header.loadUnaligned(as: fuse_in_header.self)
        let end = message.rest.count - 8 * Int(header.total_extlen)
        guard end >= 0 else { throw .tooShort }
        return try operation(
            header.opcode,
            Arguments(fixed: message.fixed, rest: UnsafeRawBufferPointer(rebasing: message.rest[..<end])))
    }

    private static func operation(_ opcode: UInt32, _ arguments: Arguments) throws(Malformation) -> Operation {
        var arguments = arguments
        switch fuse_opcode(opcode) {
        case FUSE_LOOKUP: return .lookUp(name: try arguments.name())
        case FUSE_FORGET: return .forget(lookups: try arguments.take(fuse_forget_in.self).nlookup)
        case FUSE_BATCH_FORGET:
            let count = Int(try arguments.take(fuse_batch_forget_in.self).count)
            guard count <= arguments.rest.count / MemoryLayout<fuse_forget_one>.size else { throw .tooShort }
            return .forgetAll(ForgottenNodes(bytes: arguments.rest, count: count))
        case FUSE_GETATTR:
            let body = try arguments.take(fuse_getattr_in.self)
            return .getAttributes(
                handle: body.getattr_flags & 1 != 0 ? FileHandle(rawValue: body.fh) : nil)
        case statxOpcode:
            let body = try arguments.take(cfuse_statx_in.self)
            return .statx(handle: body.getattr_flags & 1 != 0 ? FileHandle(rawValue: body.fh) : nil)
        case FUSE_SETATTR: return .setAttributes(changes(try arguments.take(fuse_setattr_in.self)))
        case FUSE_READLINK: return .readLink
        case FUSE_SYMLINK:
            let name = try arguments.name()
            return .makeLink(name: name, target: try arguments.text())
        case FUSE_MKNOD:
            let body = try arguments.take(fuse_mknod_in.self)
            return .makeNode(name: try arguments.name(), mode: body.mode & ~body.umask, device: body.rdev)
        case FUSE_MKDIR:
            let body = try arguments.take(fuse_mkdir_in.self)
            return .makeDirectory(name: try arguments.name(), mode: body.mode & ~body.umask)
        case FUSE_UNLINK: return .remove(name: try arguments.name())
        case FUSE_RMDIR: return .removeDirectory(name: try arguments.name())
        case FUSE_RENAME:
            let parent = NodeID(rawValue: try arguments.take(fuse_rename_in.self).newdir)
            let name = try arguments.name()
            return .rename(name: name, newParent: parent, newName: try arguments.name(), flags: 0)
        case FUSE_RENAME2:
            let body = try arguments.take(fuse_rename2_in.self)
            let name = try arguments.name()
            return .rename(
                name: name, newParent: NodeID(rawValue: body.newdir), newName: try arguments.name(), flags: body.flags)
        case FUSE_LINK:
            let node = NodeID(rawValue: try arguments.take(fuse_link_in.self).oldnodeid)
            return .link(node: node, name: try arguments.name())
        case FUSE_OPEN: return .open(flags: try arguments.take(fuse_open_in.self).flags)
        case FUSE_OPENDIR: return .openDirectory(flags: try arguments.take(fuse_open_in.self).flags)
        case FUSE_READ:
            let body = try arguments.take(fuse_read_in.self)
            return .read(
                handle: FileHandle(rawValue: body.fh), offset: try offset(body.offset), count: try count(body.size))
        case FUSE_READDIR, FUSE_READDIRPLUS:
            let body = try arguments.take(fuse_read_in.self)
            return .readDirectory(
                handle: FileHandle(rawValue: body.fh), offset: body.offset, count: try count(body.size),
                withAttributes: fuse_opcode(opcode) == FUSE_READDIRPLUS)
        case FUSE_WRITE:
            let body = try arguments.take(fuse_write_in.self)
            return .write(
                handle: FileHandle(rawValue: body.fh), offset: try offset(body.offset),
                content: try arguments.bytes(Int(body.size)))
        case FUSE_STATFS: return .statistics
        case FUSE_RELEASE:
            let body = try arguments.take(fuse_release_in.self)
            return .release(handle: FileHandle(rawValue: body.fh), flags: body.flags)
        case FUSE_RELEASEDIR:
            return .releaseDirectory(handle: FileHandle(rawValue: try arguments.take(fuse_release_in.self).fh))
        case FUSE_FSYNC, FUSE_FSYNCDIR:
            let body = try arguments.take(fuse_fsync_in.self)
            return .synchronize(handle: FileHandle(rawValue: body.fh), dataOnly: body.fsync_flags & 1 != 0)
        case FUSE_SETXATTR:
            // The form without FUSE_SETXATTR_EXT, which is never agreed on.
            let body = try arguments.take((UInt32, UInt32).self)
            let name = try arguments.text()
            return .setExtendedAttribute(name: name, value: try arguments.bytes(Int(body.0)), flags: body.1)
        case FUSE_GETXATTR:
            let body = try arguments.take(fuse_getxattr_in.self)
            return .getExtendedAttribute(name: try arguments.text(), count: try count(body.size))
        case FUSE_LISTXATTR:
            return .listExtendedAttributes(count: try count(try arguments.take(fuse_getxattr_in.self).size))
        case FUSE_REMOVEXATTR: return .removeExtendedAttribute(name: try arguments.text())
        case FUSE_FLUSH: return .flush(handle: FileHandle(rawValue: try arguments.take(fuse_flush_in.self).fh))
        case FUSE_INIT: return .initialize(try Offer(&arguments))
        case FUSE_ACCESS: return .access(mask: try arguments.take(fuse_access_in.self).mask)
        case FUSE_INTERRUPT: return .interrupt(unique: try arguments.take(fuse_interrupt_in.self).unique)
        case FUSE_LSEEK:
            let body = try arguments.take(fuse_lseek_in.self)
            return .seek(handle: FileHandle(rawValue: body.fh), offset: body.offset, whence: body.whence)
        case FUSE_DESTROY: return .destroy
        default: return .unknown(opcode: opcode)
        }
    }

    /// STATX came with 7.39.
    static let statxOpcode = fuse_opcode(52)

    private static func offset(_ value: UInt64) throws(Malformation) -> UInt64 {
        guard value <= UInt64(Int64.max) else { throw .tooLarge }
        return value
    }

    private static func count(_ value: UInt32) throws(Malformation) -> Int {
        guard value <= FUSELimits.transferBytes else { throw .tooLarge }
        return Int(value)
    }

    private static func changes(_ body: fuse_setattr_in) -> AttributeChanges {
        var found = AttributeChanges()
        func has(_ bit: UInt32) -> Bool { body.valid & (1 << bit) != 0 }
        func time(_ seconds: UInt64, _ nanoseconds: UInt32) -> Timestamp {
            Timestamp(seconds: Int64(bitPattern: seconds), nanoseconds: nanoseconds)
        }
        if has(0) { found.mode = body.mode }
        if has(1) { found.owner = body.uid }
        if has(2) { found.group = body.gid }
        if has(3) { found.size = body.size }
        if has(4) { found.accessed = .at(time(body.atime, body.atimensec)) }
        if has(5) { found.modified = .at(time(body.mtime, body.mtimensec)) }
        if has(6) { found.handle = FileHandle(rawValue: body.fh) }
        if has(7) { found.accessed = .now }
        if has(8) { found.modified = .now }
        if has(10) { found.changed = time(body.ctime, body.ctimensec) }
        return found
    }
}

/// What follows a header, taken from the front.
struct Arguments {
    /// Where structures are, if not in front of the rest; there is never more than one then.
    private var fixed: UnsafeRawBufferPointer?
    private(set) var rest: UnsafeRawBufferPointer

    init(fixed: UnsafeRawBufferPointer? = nil, rest: UnsafeRawBufferPointer) {
        self.fixed = fixed
        self.rest = rest
    }

    mutating func take<Body: BitwiseCopyable>(_ type: Body.Type) throws(Malformation) -> Body {
        if let fixed {
            guard MemoryLayout<Body>.size <= fixed.count else { throw .tooShort }
            return fixed.loadUnaligned(as: type)
        }
        return try bytes(MemoryLayout<Body>.size).loadUnaligned(as: type)
    }

    mutating func bytes(_ count: Int) throws(Malformation) -> UnsafeRawBufferPointer {
        guard count <= rest.count else { throw .tooShort }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
        return UnsafeRawBufferPointer(rebasing: rest[..<count])
    }

    /// A string with a NUL behind it.
    mutating func text() throws(Malformation) -> Name {
        guard let end = rest.firstIndex(of: 0), end > 0, end <= FUSELimits.nameBytes else { throw .badName }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[(end + 1)...]) }
        return Name(bytes: UnsafeRawBufferPointer(rebasing: rest[..<end]).assumingMemoryBound(to: UInt8.self))
    }

    /// An entry's name.
    mutating func name() throws(Malformation) -> Name {
        let name = try text()
        guard !name.bytes.contains(UInt8(ascii: "/")) else { throw .badName }
        return name
    }
}
