import CFUSE
import Glibc
import Synchronization
import SystemPackage
import Testing

@testable import FUSE

@Suite("Requests that wait, and replies")
struct PendingRequestTests {
    /// A channel whose answers can be read from the other end.
    struct Wire: ~Copyable {
        let channel: Channel
        let kernel: Int32

        init(agreement: Agreement) throws {
            var ends: [Int32] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
            kernel = ends[0]
            channel = Channel(adopting: ends[1], shared: SharedState(agreement: agreement))
        }

        deinit { close(kernel) }

        /// The error and the body of the next answer, if there is one.
        func answer() -> (unique: UInt64, error: Int32, body: [UInt8])? {
            var bytes = [UInt8](repeating: 0, count: 1 << 17)
            let count = recv(kernel, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            guard count >= 16 else { return nil }
            let header = bytes.withUnsafeBytes { $0.load(as: fuse_out_header.self) }
            guard Int(header.len) == count else { return nil }
            return (header.unique, header.error, Array(bytes[16..<count]))
        }
    }

    static func wire() throws -> Wire { try Wire(agreement: NegotiationTests.agreement()!) }

    @Test("A reply that is dropped fails with EIO, and only once is answered")
    func dropped() throws {
        let wire = try Self.wire()
        do { _ = StatusReply(answer: Answer(channel: wire.channel, unique: 6)) }
        var answer = wire.answer()
        #expect(answer?.unique == 6 && answer?.error == -EIO)
        StatusReply(answer: Answer(channel: wire.channel, unique: 8)).succeed()
        answer = wire.answer()
        #expect(answer?.unique == 8 && answer?.error == 0 && answer?.body == [])
        #expect(wire.answer() == nil)
    }

    @Test("An answer carries the number as it came, with the mark of a request that was sent again")
    func resent() throws {
        let wire = try Self.wire()
        StatusReply(answer: Answer(channel: wire.channel, unique: 1 << 63 | 6)).fail(.permissionDenied)
        let answer = wire.answer()
        #expect(answer?.unique == 1 << 63 | 6 && answer?.error == -EACCES)
    }

    @Test("A deferred reply is had by one, and dropped it fails")
    func deferred() throws {
        let wire = try Self.wire()
        let pending = StatusReply(answer: Answer(channel: wire.channel, unique: 2)).deferred()
        #expect(wire.channel.shared.pending.count == 1)
        let reply = pending.take()
        let second = pending.take() != nil
        #expect(!second)
        #expect(wire.channel.shared.pending.count == 0)
        reply?.succeed()
        #expect(wire.answer()?.error == 0)
        do { _ = StatusReply(answer: Answer(channel: wire.channel, unique: 4)).deferred() }
        #expect(wire.answer()?.error == -EIO)
        #expect(wire.channel.shared.pending.count == 0)
    }

    @Test("An interrupt reaches its request, before it was deferred, after, and after it was asked for")
    func interrupts() throws {
        let wire = try Self.wire()
        let pending = wire.channel.shared.pending
        let told = Mutex(0)
        // After, and with the mark of a request that was sent again.
        let first = StatusReply(answer: Answer(channel: wire.channel, unique: 1 << 63 | 2)).deferred()
        first.onInterrupt { _ in told.withLock { $0 += 1 } }
        pending.interrupt(4711)
        #expect(!first.isInterrupted)
        pending.interrupt(2)
        pending.interrupt(2)
        #expect(first.isInterrupted)
        #expect(told.withLock { $0 } == 1)
        first.onInterrupt { _ in told.withLock { $0 += 1 } }
        #expect(told.withLock { $0 } == 2)
        // Before.
        pending.interrupt(10)
        do {
            let second = StatusReply(answer: Answer(channel: wire.channel, unique: 10)).deferred()
            #expect(second.isInterrupted)
        }
        #expect(wire.answer()?.error == -EINTR)
        // After the answer nobody is told.
        let third = StatusReply(answer: Answer(channel: wire.channel, unique: 12)).deferred()
        third.onInterrupt { _ in told.withLock { $0 += 1 } }
        third.take()?.succeed()
        pending.interrupt(12)
        #expect(told.withLock { $0 } == 2)
        _ = first
    }

    @Test("Only so many requests wait, and only so many early interrupts are remembered")
    func bounds() throws {
        let pending = PendingRequests()
        for number in 0..<FUSELimits.deferredRequests { #expect(pending.add(UInt64(number) * 2 + 2) != nil) }
        #expect(pending.add(1 << 40) == nil)
        let wire = try Self.wire()
        for number in 0..<UInt64(FUSELimits.earlyInterrupts * 3) {
            wire.channel.shared.pending.interrupt(number * 2 + 2)
        }
        let oldest = StatusReply(answer: Answer(channel: wire.channel, unique: 2)).deferred()
        #expect(!oldest.isInterrupted)
        let newest = StatusReply(answer: Answer(channel: wire.channel, unique: UInt64(FUSELimits.earlyInterrupts) * 6))
            .deferred()
        #expect(newest.isInterrupted)
    }

    @Test("Too long a value, target or content does not go out")
    func lengths() throws {
        let wire = try Self.wire()
        let bytes = [UInt8](repeating: 65, count: 5000)
        func reply() -> Answer { Answer(channel: wire.channel, unique: 2) }
        LinkReply(answer: reply()).send(bytes.span)
        #expect(wire.answer()?.error == -ENAMETOOLONG)
        ReadReply(answer: reply(), count: 100).send(bytes.span.bytes)
        #expect(wire.answer()?.body.count == 100)
        bytes.withUnsafeBytes { ReadReply(answer: reply(), count: 100).send($0) }
        #expect(wire.answer()?.body.count == 100)
        ReadReply(answer: reply(), count: 100).send { room in
            room.initializeMemory(as: UInt8.self, repeating: 66)
            return room.count
        }
        #expect(wire.answer()?.body == [UInt8](repeating: 66, count: 100))
        ExtendedAttributeReply(answer: reply(), count: 10).send(bytes.span.bytes)
        #expect(wire.answer()?.error == -ERANGE)
        ExtendedAttributeReply(answer: reply(), count: 0).send(bytes.span.bytes)
        #expect(wire.answer()?.body == withUnsafeBytes(of: fuse_getxattr_out(size: 5000, padding: 0)) { Array($0) })
        ExtendedAttributeReply(answer: reply(), count: 5000).send(bytes.span.bytes)
        #expect(wire.answer()?.body == bytes)
    }

    @Test("A folder's records fill their room and not more, and no byte of an earlier reply is in them")
    func directories() throws {
        let wire = try Self.wire()
        // What was in the buffer before.
        ReadReply(answer: Answer(channel: wire.channel, unique: 2), count: 8192).send { room in
            room.initializeMemory(as: UInt8.self, repeating: 0xff)
            return 0
        }
        _ = wire.answer()
        for (withAttributes, size) in [(false, 32), (true, 160)] {
            var reply = DirectoryReply(
                answer: Answer(channel: wire.channel, unique: 2), count: 4096, withAttributes: withAttributes)!
            let name = Array("12345".utf8)
            var added = 0
            let entry = Entry(node: NodeID(rawValue: 9), attributes: Attributes(inode: 9, mode: 0o100644))
            while reply.add(name.span, entry, next: UInt64(added + 1)) { added += 1 }
            #expect(added == 4096 / size)
            reply.finish()
            let body = try #require(wire.answer()?.body)
            #expect(body.count == added * size)
            for record in stride(from: 0, to: body.count, by: size) {
                #expect(Array(body[(record + size - 8)..<(record + size)]) == name + [0, 0, 0])
            }
        }
    }

    @Test("Nothing that can be sent to a session makes it fall")
    func malformedMessages() throws {
        let wire = try Self.wire()
        let dispatch = Dispatch(files: NoFiles(), features: wire.channel.shared.agreement.features)
        func send(_ message: Message) -> (unique: UInt64, error: Int32, body: [UInt8])? {
            message.bytes.withUnsafeBytes { dispatch.handle($0, on: wire.channel) }
            return wire.answer()
        }
        for opcode in UInt32(0)..<70 {
            for body in [[], [0], [UInt8](repeating: 0, count: 200), [UInt8](repeating: 0xff, count: 200)] {
                let answer = send(Message(opcode, unique: 2, body))
                // FORGET, INTERRUPT and BATCH_FORGET have no answer; everything else has one.
                #expect((answer == nil) == [2, 36, 42].contains(opcode), "opcode \(opcode), \(body.count) bytes")
            }
        }
        // Without a header there is nobody to answer.
        var short = Message(1)
        short.bytes.removeLast()
        #expect(send(short) == nil)
        // Writing calls to a file system that only reads.
        #expect(send(Message(10, Array("name\0".utf8)))?.error == -EROFS)
        #expect(send(Message(99))?.error == -ENOSYS)
        #expect(send(Message(14, [UInt8](repeating: 0, count: 8)))?.error == -ENOSYS)
    }
}

@Suite("Table of mounts")
struct MountTableTests {
    @Test("Lines of mountinfo are read as proc(5) has them")
    func lines() throws {
        let line = "36 35 0:45 / /a\\040b\\134c rw,nosuid shared:1 master:2 - fuse.memory a\\011b ro,user_id=0\n"
        let found = try #require(MountedFileSystem(mountinfo: line))
        #expect(found.path == "/a b\\c" && found.type == "fuse.memory" && found.source == "a\tb")
        #expect(found.isFUSE && found.connection == 45)
        #expect(MountedFileSystem(mountinfo: "36 35 0:45 / /a rw - ext4 /dev/x rw")?.isFUSE == false)
        for wrong in [
            "", "-", "1 2 3 4 5 6", "36 35 0:45 / /a rw -", "36 35 x:y / /a rw - fuse a b", "- - - - - - - - -",
        ] {
            #expect(MountedFileSystem(mountinfo: wrong) == nil)
        }
    }

    @Test("What is mounted on is found by its path, and nothing else")
    func lookup() {
        #expect(Mountpoint("/proc").mounted == nil)
        #expect(Mountpoint("/nowhere/at/all").mounted == nil)
        #expect(MountedFileSystem.all().contains { $0.path == "/proc" || $0.type == "proc" })
    }
}
