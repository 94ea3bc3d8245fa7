internal import CMount
internal import FoundationEssentials
internal import Glibc
internal import SystemPackage

/// One end of a connection between two processes of a mount, over which whole messages and descriptors go.
struct MessageSocket: Sendable {
    let descriptor: Int32

    /// Two connected ends.
    static func pair() throws(MountError) -> (MessageSocket, MessageSocket) {
        var ends: [Int32] = [0, 0]
        let result = cmount_socket_pair(&ends)
        guard result == 0 else { throw failure("no sockets for a mount's processes", result) }
        return (MessageSocket(descriptor: ends[0]), MessageSocket(descriptor: ends[1]))
    }

    func close() { Glibc.close(descriptor) }

    func send<Message: Encodable>(_ message: Message, descriptors: [Int32] = []) throws {
        let bytes = Array(try JSONEncoder().encode(message))
        guard bytes.count <= MountLimits.messageBytes else {
            throw MountError(.lost, "a message of \(bytes.count) bytes is too long for a mount's processes")
        }
        let result = cmount_send(descriptor, bytes, bytes.count, descriptors, descriptors.count)
        guard result == 0 else { throw Self.failure("the other process of the mount cannot be told", result) }
    }

    /// The next message, with the descriptors that came with it; `nil` when the other end is gone. Blocks.
    func receive<Message: Decodable>(_ type: Message.Type) throws -> (message: Message, descriptors: [Int32])? {
        var bytes = [UInt8](repeating: 0, count: MountLimits.messageBytes)
        var descriptors = [Int32](repeating: -1, count: Int(CMOUNT_DESCRIPTORS))
        var count = 0
        let received = cmount_receive(descriptor, &bytes, bytes.count, &descriptors, &count)
        if received == 0 || received == -Int(ECONNRESET) { return nil }
        guard received > 0 else { throw Self.failure("nothing can be heard of the mount", Int32(received)) }
        let found = Array(descriptors.prefix(count))
        do {
            return (try JSONDecoder().decode(type, from: Data(bytes[..<received])), found)
        } catch {
            for descriptor in found { Glibc.close(descriptor) }
            throw MountError(.lost, "a message of another version came from a process of the mount", cause: error)
        }
    }

    static func failure(_ doing: String, _ result: Int32) -> MountError {
        MountError(.lost, "\(doing): \(Errno(rawValue: -result))", cause: Errno(rawValue: -result))
    }
}
