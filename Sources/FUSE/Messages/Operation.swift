internal import CFUSE

/// One request of the kernel, decoded. Names and content point into the request's own memory.
enum Operation {
    case lookUp(name: Name)
    case forget(lookups: UInt64)
    case forgetAll(ForgottenNodes)
    case getAttributes(handle: FileHandle?)
    case statx(handle: FileHandle?)
    case setAttributes(AttributeChanges)
    case readLink
    case makeLink(name: Name, target: Name)
    case makeNode(name: Name, mode: UInt32, device: UInt32)
    case makeDirectory(name: Name, mode: UInt32)
    case remove(name: Name)
    case removeDirectory(name: Name)
    case rename(name: Name, newParent: NodeID, newName: Name, flags: UInt32)
    case link(node: NodeID, name: Name)
    case open(flags: UInt32)
    case read(handle: FileHandle, offset: UInt64, count: Int)
    case write(handle: FileHandle, offset: UInt64, content: UnsafeRawBufferPointer)
    case statistics
    case release(handle: FileHandle, flags: UInt32)
    case synchronize(handle: FileHandle, dataOnly: Bool)
    case setExtendedAttribute(name: Name, value: UnsafeRawBufferPointer, flags: UInt32)
    case getExtendedAttribute(name: Name, count: Int)
    case listExtendedAttributes(count: Int)
    case removeExtendedAttribute(name: Name)
    case flush(handle: FileHandle)
    case initialize(Offer)
    case openDirectory(flags: UInt32)
    case readDirectory(handle: FileHandle, offset: UInt64, count: Int, withAttributes: Bool)
    case releaseDirectory(handle: FileHandle)
    case access(mask: UInt32)
    case interrupt(unique: UInt64)
    case seek(handle: FileHandle, offset: UInt64, whence: UInt32)
    case destroy
    /// One that this module does not speak; it is answered ENOSYS.
    case unknown(opcode: UInt32)
}

/// A name in a request: not empty, without slash and NUL.
struct Name {
    let bytes: UnsafeBufferPointer<UInt8>
}

/// The nodes of one BATCH_FORGET, as many as fit into the request.
struct ForgottenNodes: Sequence {
    let bytes: UnsafeRawBufferPointer
    let count: Int

    struct Iterator: IteratorProtocol {
        let bytes: UnsafeRawBufferPointer
        let count: Int
        var index = 0

        mutating func next() -> (node: NodeID, lookups: UInt64)? {
            guard index < count else { return nil }
            defer { index += 1 }
            let one = bytes.loadUnaligned(
                fromByteOffset: index * MemoryLayout<fuse_forget_one>.size, as: fuse_forget_one.self)
            return (NodeID(rawValue: one.nodeid), one.nlookup)
        }
    }

    func makeIterator() -> Iterator { Iterator(bytes: bytes, count: count) }
}
