import CASCore
import Testing

@testable import Transport

@Suite("URLs of servers, proxies and resources")
struct ServerURLTests {
    @Test(
        "good URLs are understood",
        arguments: [
            ("http://h", "http://h"), ("http://h/", "http://h"),
            ("HTTP://Host.Example:8000/cvmfs/A", "http://host.example:8000/cvmfs/A"),
            ("https://h/cvmfs/x.y///", "https://h/cvmfs/x.y"), ("http://127.0.0.1:80/a", "http://127.0.0.1:80/a"),
            ("http://[::1]:8000/a", "http://[::1]:8000/a"), ("http://[2001:DB8::1]/a", "http://[2001:db8::1]/a"),
            ("file:///srv/cvmfs/x", "file:///srv/cvmfs/x"), ("file://localhost/srv%20x", "file:///srv%20x"),
            ("http://s/cvmfs/@fqrn@", "http://s/cvmfs/atlas.cern.ch"),
            ("http://@org@.s/@fqrn@/@org@", "http://atlas.s/atlas.cern.ch/atlas"),
        ])
    func good(_ text: String, _ expected: String) throws {
        let url = try ServerURL(text, repository: "atlas.cern.ch")
        #expect(url.description == expected)
    }

    @Test(
        "bad URLs are refused with a reason",
        arguments: [
            "", "h", "h/cvmfs", "ftp://h/a", "http:/h", "http://", "http:///a", "http://h:0", "http://h:65536",
            "http://h:",
            "http://h:x", "http://h:+80", "http://[::1", "http://[::1]x", "http://[zz]/", "http://[]/", "http://h/a b",
            "http://h/a\nb",
            "http://h/../a", "http://h/a/./b", "http://h//a", "http://h/a?b", "http://h/a#b", "http://user:pw@h/a",
            "http://h\r\nX: y/a", "http://hö/", "http://h/ö", "file://srv/cvmfs", "file://", "file:///",
            "http://h/@fqrn@", "http://h/@org@",
        ])
    func bad(_ text: String) {
        let error = #expect(throws: TransportError.self) { try ServerURL(text) }
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains(text.debugDescription) == true)
    }

    @Test("placeholders become the repository's name and its first label")
    func placeholders() {
        #expect(RepositoryPlaceholders.replaced(in: "a@fqrn@b@org@@fqrn@", repository: "x.y.z") == "ax.y.zbxx.y.z")
        #expect(RepositoryPlaceholders.replaced(in: "a@b", repository: "x.y") == "a@b")
        #expect(RepositoryPlaceholders.replaced(in: "@org@", repository: "x") == "x")
    }

    @Test("proxies are understood")
    func proxies() throws {
        #expect(try Proxy("DIRECT") == .direct)
        #expect(try Proxy("squid.example:3128").description == "http://squid.example:3128")
        #expect(try Proxy("http://Squid.example:3128/").description == "http://squid.example:3128")
        #expect(try Proxy("http://[::1]:3128").description == "http://[::1]:3128")
        for text in [
            "", "direct", "http://a", "a", "[::1]", "a:1|b:2", "a:1;DIRECT", "https://a:1", "socks5://a:1",
            "http://u@a:1", "a:1/x",
        ] {
            let error = #expect(throws: TransportError.self) { try Proxy(text) }
            #expect(error?.code == .invalidConfiguration)
        }
    }

    @Test("paths of requests that would lead elsewhere are refused")
    func resourcePaths() throws {
        for path in [".cvmfspublished", "data/ab/cdef0123C", "a", "...", ".a/..b/c..", "a%20b", "x/y:z@+-_~[],"] {
            try ResourcePath.check(path)
        }
        let bad = [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a b", "a?b", "a#b", "a\\b", "a\0b",
            "a\r\nb", "ä",
        ]
        for path in bad + [String(repeating: "a", count: TransportLimits.urlBytes + 1)] {
            let error = #expect(throws: TransportError.self) { try ResourcePath.check(path) }
            #expect(error?.code == .invalidConfiguration)
        }
    }

    @Test("components of files are unescaped, and cannot leave their folder")
    func components() throws {
        #expect(try ResourcePath.components(of: "a%20b/%41%c3%a4") == [Array("a b".utf8), Array("Aä".utf8)])
        for path in ["%2e%2e/a", "a/%2E", "a%2Fb", "a%00", "a%", "a%4", "a%zz", ".%2e/x"] {
            #expect(throws: TransportError.self) { try ResourcePath.components(of: path) }
        }
    }

    @Test("paths of files are escaped as the reference does it, and are good for requests")
    func escaping() throws {
        let every = (1...255).map { UInt8($0) }.filter { $0 != UInt8(ascii: "/") }
        let path = RepositoryPath(bytes: Array("/a b/".utf8) + every + Array("/[x]~".utf8))
        let escaped = ResourcePath.escaped(path.bytes.dropFirst())
        #expect(escaped.hasPrefix("a%20b/%01%02") && escaped.hasSuffix("%FE%FF/[x]~"))
        #expect(escaped.contains("%2A+,-.0123456789:%3B%3C%3D%3E%3F@ABC"))
        let components = try ResourcePath.components(of: escaped)
        #expect(components == [Array("a b".utf8), every, Array("[x]~".utf8)])
    }

    @Test("Content-Range is read strictly")
    func contentRange() throws {
        func read(_ text: String) -> ContentRange? { ContentRange(value: text) }
        let range = try #require(read("bytes 10-19/100"))
        #expect(range.first == 10 && range.last == 19 && range.total == 100 && range.length == 10)
        #expect(read(" bytes 0-0/*")?.total == nil && read("BYTES 0-0/1\r\n") != nil)
        for text in [
            "", "bytes", "bytes 1-0/5", "bytes -1-4/5", "bytes 0-4/4", "items 0-1/2", "bytes 0-1", "bytes */5",
            "bytes 0-9223372036854775807/*", "bytes 0-99999999999999999999/*", "bytes 0-1/2/3", "bytes 0-1/2 x",
        ] { #expect(read(text) == nil, "\(text)") }
        #expect(range.answers(10..<20) && !range.answers(10..<21) && !range.answers(10..<15) && !range.answers(9..<20))
        #expect(read("bytes 90-99/100")?.answers(90..<200) == true)
        #expect(read("bytes 90-99/*")?.answers(90..<200) == false)
    }
}
