import CVMFSTesting
import Glibc
import LocalServers
import SystemPackage
import Testing

@testable import Transport

@Suite("files as servers")
struct FileTransportTests {
    private static func fetch(_ path: String, from folder: borrowing TemporaryFolder) async throws -> [UInt8] {
        let sink = RecordingSink()
        let transport = try FileTransport(ServerURL("file://\(folder.path)"))
        _ = try await transport.fetch(TransferRequest(path, limit: 1 << 30), into: sink)
        return sink.bytes
    }

    private static func failure(_ path: String, from folder: borrowing TemporaryFolder) async -> TransportError.Code? {
        do {
            _ = try await fetch(path, from: folder)
            return nil
        } catch { return (error as? TransportError)?.code }
    }

    @Test("escaped names, names that are not UTF-8, and folders with odd names are found")
    func names() async throws {
        let folder = try TemporaryFolder("files")
        try folder.write([1], to: "a b/ä")
        #expect(try await Self.fetch("a%20b/%C3%A4", from: folder) == [1])
        let file = "\(folder.path)/".utf8CString.dropLast() + [CChar(bitPattern: 0xFF), 0]
        let descriptor = open(Array(file), O_CREAT | O_WRONLY, 0o644)
        close(descriptor)
        #expect(try await Self.fetch("%FF", from: folder) == [])
        let odd = try FileTransport(ServerURL("file://\(folder.path)/a%20b"))
        let sink = RecordingSink()
        let receipt = try await odd.fetch(TransferRequest("%C3%A4", limit: 1), into: sink)
        #expect(sink.bytes == [1])
        #expect(receipt == TransferReceipt(source: "file://\(folder.path)/a%20b", bytes: 1, requests: 1))
        let direct = FileTransport(at: FilePath("\(folder.path)/a b"))
        _ = try await direct.fetch(TransferRequest("%C3%A4", limit: 1), into: RecordingSink())
    }

    @Test("nothing but regular files is served, and nothing hangs", .timeLimit(.minutes(5)))
    func kinds() async throws {
        let folder = try TemporaryFolder("files")
        try folder.write([1], to: "data/file")
        mkfifo("\(folder.path)/fifo", 0o644)
        symlink("data/file", "\(folder.path)/link")
        symlink("fifo", "\(folder.path)/fifo-link")
        symlink("loop", "\(folder.path)/loop")
        symlink("/dev/zero", "\(folder.path)/device")
        #expect(try await Self.fetch("link", from: folder) == [1])
        #expect(await Self.failure("data", from: folder) == .notFound)
        #expect(await Self.failure("fifo", from: folder) == .notFound)
        #expect(await Self.failure("fifo-link", from: folder) == .notFound)
        #expect(await Self.failure("device", from: folder) == .notFound)
        #expect(await Self.failure("data/file/x", from: folder) == .notFound)
        #expect(await Self.failure("absent", from: folder) == .notFound)
        #expect(await Self.failure(String(repeating: "x", count: 300), from: folder) == .notFound)
        #expect(await Self.failure("loop", from: folder) == .other)
    }

    @Test("no path leads out of the folder")
    func escapes() async throws {
        let folder = try TemporaryFolder("files")
        try folder.write([1], to: "inside/file")
        try folder.write([2], to: "outside")
        let transport = try FileTransport(ServerURL("file://\(folder.path)/inside"))
        for path in [
            "../outside", "%2e%2e/outside", "x/../../outside", "..%2Foutside", "/etc/passwd", "%2Fetc%2Fpasswd",
        ] {
            let error = await #expect(throws: TransportError.self) {
                try await transport.fetch(TransferRequest(path, limit: 100), into: RecordingSink())
            }
            #expect(error?.code == .invalidConfiguration)
        }
    }

    @Test("a file that may not be read is told from one that is not there", .enabled(if: geteuid() != 0))
    func permissions() async throws {
        let folder = try TemporaryFolder("files")
        try folder.write([1], to: "secret")
        chmod("\(folder.path)/secret", 0)
        #expect(await Self.failure("secret", from: folder) == .serverStatus)
    }

    @Test("a file that becomes shorter while it is read is an incomplete transfer")
    func shrinks() async throws {
        let folder = try TemporaryFolder("files")
        let path = try folder.write([UInt8](repeating: 1, count: 2 << 20), to: "file")
        let sink = RecordingSink { call in
            if case .write = call { truncate(path, 300_000) }
        }
        let transport = try FileTransport(ServerURL("file://\(folder.path)"))
        let error = await #expect(throws: TransportError.self) {
            try await transport.fetch(TransferRequest("file", limit: 1 << 30), into: sink)
        }
        #expect(error?.code == .incompleteTransfer && !sink.isFinished)
    }
}
