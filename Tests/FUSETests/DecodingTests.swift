import CFUSE
import FixtureTrees
import Testing

@testable import FUSE

/// A message as the kernel sends it.
struct Message {
    var bytes: [UInt8]

    init(_ opcode: UInt32, node: UInt64 = 1, unique: UInt64 = 2, _ body: [UInt8] = []) {
        let header = fuse_in_header(
            len: UInt32(40 + body.count), opcode: opcode, unique: unique, nodeid: node, uid: 1, gid: 2, pid: 3,
            total_extlen: 0, padding: 0)
        bytes = withUnsafeBytes(of: header) { Array($0) } + body
    }

    func decoded<Result>(_ body: (Operation) -> Result) throws -> Result {
        try bytes.withUnsafeBytes { body(try RequestDecoder.operation(of: $0)) }
    }

    func malformation() -> Malformation? {
        bytes.withUnsafeBytes { message -> Malformation? in
            do throws(Malformation) {
                _ = try RequestDecoder.operation(of: message)
                return nil
            } catch { return error }
        }
    }
}

private func bytes<Value>(of value: Value) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

@Suite("Decoding of requests")
struct DecodingTests {
    @Test("A header says who asks")
    func header() throws {
        let message = Message(1, node: 77, unique: 1 << 63 | 8, Array("name\0".utf8))
        let (request, opcode) = try message.bytes.withUnsafeBytes { try RequestDecoder.header(of: $0) }
        #expect(opcode == 1)
        #expect(request.node == NodeID(rawValue: 77))
        #expect(request.user == 1 && request.group == 2 && request.process == 3)
        #expect(request.isResent && request.unique == 1 << 63 | 8)
    }

    @Test("Names end with a NUL, are not empty and have no slash")
    func names() throws {
        let found = try Message(1, Array("name\0".utf8)).decoded { operation -> String? in
            guard case .lookUp(let name) = operation else { return nil }
            return String(decoding: name.bytes, as: UTF8.self)
        }
        #expect(found == "name")
        for wrong in ["", "\0", "name", "na/me\0"] {
            #expect(Message(1, Array(wrong.utf8)).malformation() == .badName)
        }
        let longest = [UInt8](repeating: 65, count: FUSELimits.nameBytes)
        #expect(Message(1, longest + [0]).malformation() == nil)
        #expect(Message(1, longest + [65, 0]).malformation() == .badName)
        // A symlink's target may have slashes, its name not.
        #expect(Message(6, Array("a\0../b\0".utf8)).malformation() == nil)
        #expect(Message(6, Array("a/\0../b\0".utf8)).malformation() == .badName)
        #expect(Message(6, Array("a\0../b".utf8)).malformation() == .badName)
    }

    @Test("The length in the header must be the message's")
    func lengths() {
        var message = Message(3, bytes(of: fuse_getattr_in()))
        #expect(message.malformation() == nil)
        message.bytes.append(0)
        #expect(message.malformation() == .wrongLength)
        message.bytes.removeLast(2)
        #expect(message.malformation() == .wrongLength)
        message.bytes.removeLast(message.bytes.count - 39)
        #expect(message.malformation() == .noHeader)
    }

    @Test("Extensions at the end are left alone, and cannot be longer than the message")
    func extensions() throws {
        var message = Message(1, Array("name\0\0\0\0".utf8) + [UInt8](repeating: 65, count: 8))
        message.bytes[36] = 1
        #expect(message.malformation() == nil)
        message.bytes[36] = 3
        #expect(message.malformation() == .tooShort)
    }

    @Test("Sizes and offsets are bounded")
    func bounds() {
        var read = fuse_read_in()
        read.size = UInt32(FUSELimits.transferBytes)
        read.offset = UInt64(Int64.max)
        #expect(Message(15, bytes(of: read)).malformation() == nil)
        read.offset += 1
        #expect(Message(15, bytes(of: read)).malformation() == .tooLarge)
        read.offset = 0
        read.size += 1
        for opcode: UInt32 in [15, 28, 44] { #expect(Message(opcode, bytes(of: read)).malformation() == .tooLarge) }
        var write = fuse_write_in()
        write.size = 4
        #expect(Message(16, bytes(of: write) + [1, 2, 3, 4]).malformation() == nil)
        #expect(Message(16, bytes(of: write) + [1, 2, 3]).malformation() == .tooShort)
        write.size = .max
        #expect(Message(16, bytes(of: write) + [1, 2, 3]).malformation() == .tooShort)
    }

    @Test("A list of forgotten nodes is as long as it says, or refused")
    func forgottenNodes() throws {
        let nodes = (1...3).map { fuse_forget_one(nodeid: UInt64($0), nlookup: UInt64($0 * 10)) }
        let body = bytes(of: fuse_batch_forget_in(count: 3, dummy: 0)) + nodes.flatMap { bytes(of: $0) }
        let found = try Message(42, body).decoded { operation -> [UInt64] in
            guard case .forgetAll(let nodes) = operation else { return [] }
            return nodes.flatMap { [$0.node.rawValue, $0.lookups] }
        }
        #expect(found == [1, 10, 2, 20, 3, 30])
        for count: UInt32 in [4, .max] {
            let body = bytes(of: fuse_batch_forget_in(count: count, dummy: 0)) + nodes.flatMap { bytes(of: $0) }
            #expect(Message(42, body).malformation() == .tooShort)
        }
    }

    @Test("INIT has two words of flags when it says so")
    func initialization() throws {
        func offer(_ words: [UInt32]) throws -> Offer? {
            try Message(26, words.flatMap { bytes(of: $0) }).decoded { operation in
                guard case .initialize(let offer) = operation else { return nil }
                return offer
            }
        }
        #expect(try offer([7, 31, 4096, 1]) == Offer(major: 7, minor: 31, readAhead: 4096, features: .asyncRead))
        let extended = try offer([7, 40, 4096, 1 | 1 << 30, 1 << 5])
        #expect(extended?.features == [.asyncRead, .extended, .passthrough])
        #expect(try offer([8, 0])?.major == 8)
        #expect(throws: Malformation.tooShort) { try offer([7, 40, 4096, 1 << 30]) }
        #expect(throws: Malformation.tooShort) { try offer([7]) }
    }

    @Test("Nothing that can be sent makes the decoder fall")
    func fuzz() {
        var generator = SeededGenerator(for: "Decoding of requests")
        var decoded = 0
        for _ in 0..<60_000 {
            let opcode = UInt32.random(in: 0..<60, using: &generator)
            let length = Int.random(in: 0..<120, using: &generator)
            // Mostly small numbers and NULs, as lengths and names have them.
            let body = (0..<length).map { _ -> UInt8 in
                Bool.random(using: &generator) ? 0 : UInt8.random(in: 0...255, using: &generator)
            }
            var message = Message(opcode, body)
            if Int.random(in: 0..<4, using: &generator) == 0 {
                message.bytes[Int.random(in: 0..<40, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            // In memory of exactly its size, so that the address sanitizer sees what is beyond.
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: message.bytes.count, alignment: 1)
            memory.copyBytes(from: message.bytes)
            defer { memory.deallocate() }
            guard let operation = try? RequestDecoder.operation(of: UnsafeRawBufferPointer(memory)) else { continue }
            decoded += 1
            if case .forgetAll(let nodes) = operation { for _ in nodes {} }
            if case .lookUp(let name) = operation { #expect(!name.bytes.isEmpty) }
        }
        #expect(decoded > 1000)
    }
}
