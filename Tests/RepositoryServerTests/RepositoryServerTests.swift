import CVMFS
import FixtureTrees
import Foundation
import LocalServers
import RepositoryServer
import Synchronization
import Testing

@Suite("The server of repositories")
struct RepositoryServerTests {
    private let fixture = Fixtures.named("tiny")

    /// Runs a server of the fixture while the body runs; gives the body its port.
    private func serving(_ folders: [String: String], _ body: @Sendable (Int) async throws -> Void) async throws {
        let server = try RepositoryServer(serving: folders)
        let (ports, started) = AsyncStream.makeStream(of: Int.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await server.run(port: 0) { started.yield($0) } } catch is CancellationError {}
                started.finish()
            }
            for await port in ports {
                try await body(port)
                break
            }
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// What the server answers to some bytes, until it closes the connection.
    private func exchange(_ request: String, port: Int) async throws -> (head: [String], body: [UInt8]) {
        let bytes = try await BlockingPool.shared.run { try Self.talk(request, port: port) }
        let end = try #require(bytes.indices.first { bytes[$0...].starts(with: Array("\r\n\r\n".utf8)) })
        let head = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n").map(String.init)
        return (head, Array(bytes[(end + 4)...]))
    }

    private static func talk(_ request: String, port: Int) throws -> [UInt8] {
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(connection) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafeBytes(of: &address) { bytes in
            connect(connection, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t(bytes.count))
        }
        guard connected == 0 else { throw CocoaError(.fileReadUnknown) }
        _ = request.utf8CString.withUnsafeBytes { send(connection, $0.baseAddress, $0.count - 1, 0) }
        var answer: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(connection, &piece, piece.count, 0)
            guard count > 0 else { return answer }
            answer += piece[..<count]
        }
    }

    private func get(
        _ path: String, _ port: Int, method: String = "GET", headers: String = ""
    ) async throws -> (head: [String], body: [UInt8]) {
        try await exchange(
            "\(method) /cvmfs/\(fixture.name)/\(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(headers)\r\n",
            port: port)
    }

    @Test("a client reads a whole repository from it, and finds it sound")
    func verified() async throws {
        let fixture = fixture
        try await serving([fixture.name: fixture.folder.path]) { port in
            let folder = try TemporaryFolder("server")
            let repository = try await Repository.open(
                fixture.name, from: ["http://127.0.0.1:\(port)/cvmfs/@fqrn@"],
                trusting: .masterKeys(in: FilePath(fixture.keyFile.path)),
                cache: DiskStore(at: FilePath("\(folder.path)/cache")))
            let report = try await repository.verify(scratch: DiskStore(at: FilePath("\(folder.path)/scratch")))
            #expect(report.isSound, "\(report.defects)")
            #expect(report.objects > 50)
        }
    }

    @Test("answers say how long they may be kept, and give parts")
    func headers() async throws {
        try await serving([fixture.name: fixture.folder.path]) { [self] port in
            let manifest = try fixture.bytes(".cvmfspublished")
            let whole = try await get(".cvmfspublished", port)
            #expect(whole.head.first == "HTTP/1.1 200 OK")
            #expect(whole.body == manifest)
            #expect(whole.head.contains("Cache-Control: max-age=61"))
            #expect(whole.head.contains("Content-Length: \(manifest.count)"))
            let object = try #require(try fixture.objectPaths().first)
            let content = try fixture.bytes(object)
            let kept = try await get(object + "?x=y", port)
            #expect(kept.body == content)
            #expect(kept.head.contains("Cache-Control: max-age=259200"))
            let part = try await get(object, port, headers: "Range: bytes=2-4\r\n")
            #expect(part.head.first == "HTTP/1.1 206 Partial Content")
            #expect(part.body == Array(content[2...4]))
            #expect(part.head.contains("Content-Range: bytes 2-4/\(content.count)"))
            let none = try await get(object, port, headers: "Range: bytes=\(content.count)-\r\n")
            #expect(none.head.first == "HTTP/1.1 416 Range Not Satisfiable")
            let head = try await get(object, port, method: "HEAD")
            #expect(head.head.first == "HTTP/1.1 200 OK")
            #expect(head.head.contains("Content-Length: \(content.count)"))
            #expect(head.body == [])
        }
    }

    @Test("what is not there, may not be had, or makes no sense is refused")
    func refusals() async throws {
        try await serving([fixture.name: fixture.folder.path]) { [self] port in
            for path in [
                "absent", "", "data/ab/0123456789abcdef0123456789abcdef012345", "../\(fixture.name)/.cvmfspublished",
                "data/../.cvmfspublished", "..%2f..%2fetc/passwd", "../../../../../../etc/passwd",
                ".cvmfs-state/settings",
            ] {
                #expect(try await get(path, port).head.first == "HTTP/1.1 404 Not Found", "\(path)")
            }
            let other = try await exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", port: port)
            #expect(other.head.first == "HTTP/1.1 404 Not Found")
            let put = try await get(".cvmfspublished", port, method: "PUT")
            #expect(put.head.first == "HTTP/1.1 405 Method Not Allowed")
            let nonsense = try await exchange("nonsense\r\n\r\n", port: port)
            #expect(nonsense.head.first?.contains("400") == true)
            // It is as well as before.
            #expect(try await get(".cvmfspublished", port).head.first == "HTTP/1.1 200 OK")
        }
    }

    @Test("a folder that is not there, and a port that is taken, are said so")
    func errors() async throws {
        #expect(throws: ServerError.self) { try RepositoryServer(serving: ["x": "/nonexistent/folder"]) }
        try await serving([fixture.name: fixture.folder.path]) { [self] port in
            let second = try RepositoryServer(serving: [fixture.name: fixture.folder.path])
            await #expect(throws: ServerError.self) { try await second.run(port: port) }
        }
    }
}
