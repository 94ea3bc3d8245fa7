import Glibc
import LocalServers
import Testing

/// The servers that other tests rely on.
@Suite("nginx for tests")
struct NginxServerTests {
    @Test("serves a folder, logs requests, stops and starts again on its port")
    func lifecycle() throws {
        let folder = try TemporaryFolder("files")
        try folder.write("hello".utf8, to: ".cvmfspublished")
        try folder.write("object".utf8, to: "data/ab/cd")
        let server = try NginxServer(serving: ["/cvmfs/a.example.org": folder.path], tls: .http2)
        let url = server.url(of: "a.example.org")
        #expect(try curl(url + "/.cvmfspublished") == "hello")
        #expect(try curl(url + "/data/ab/cd") == "object")
        #expect(try curl(server.secureURL + "/cvmfs/a.example.org/data/ab/cd", server.certificateFile) == "object")
        if let six = server.ipv6URL { #expect(try curl(six + "/cvmfs/a.example.org/data/ab/cd") == "object") }
        let requests = try server.requests()
        #expect(requests.map(\.bodyBytes) == (server.ipv6URL == nil ? [5, 6, 6] : [5, 6, 6, 6]))
        #expect(requests[2].version == "HTTP/2.0")
        server.stop()
        #expect(throws: LocalServerError.self) { try curl(url + "/.cvmfspublished") }
        try server.start()
        #expect(try curl(url + "/.cvmfspublished") == "hello")
        try server.forgetRequests()
        try server.restart { $0.folders = ["/cvmfs/b.example.org": folder.path] }
        #expect(try curl(server.url(of: "b.example.org") + "/.cvmfspublished") == "hello")
        #expect(throws: LocalServerError.self) { try curl(url + "/.cvmfspublished") }
        #expect(try server.requests().map(\.status) == [200, 404])
    }

    private func curl(_ url: String, _ certificate: String? = nil) throws -> String {
        let output = try TemporaryFolder("curl")
        try runToEnd(
            "/usr/bin/curl",
            ["-sSf", "-o", "\(output.path)/body", url] + (certificate.map { ["--cacert", $0] } ?? []),
            log: "\(output.path)/log")
        return String(decoding: readFile("\(output.path)/body") ?? [], as: UTF8.self)
    }
}
