import SystemPackage

/// Standard output, written in large pieces.
struct StandardOutput: ~Copyable {
    private static let capacity = 64 << 10
    private var buffer: [UInt8] = []

    init() { buffer.reserveCapacity(Self.capacity) }

    mutating func write(_ bytes: some Collection<UInt8>) throws {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Self.capacity { try flush() }
    }

    mutating func line(_ text: String) throws { try line(bytes: Array(text.utf8)) }

    mutating func line(bytes: [UInt8]) throws {
        buffer.append(contentsOf: bytes)
        try write(CollectionOfOne(UInt8(ascii: "\n")))
    }

    mutating func line(_ value: JSONValue) throws {
        value.write(to: &buffer)
        try write(CollectionOfOne(UInt8(ascii: "\n")))
    }

    mutating func flush() throws {
        try FileDescriptor.standardOutput.writeAll(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}
