import Testing

@testable import RepositoryServer

@Suite("What a server gives out")
struct ServedFileTests {
    private let digits = "0123456789abcdef0123456789abcdef012345"

    @Test("objects and the files of the root are served, objects for days")
    func served() {
        for suffix in ["", "C", "P", "-rmd160", "-shake128H"] {
            let file = ServedFile(requested: "data/ab/\(digits)\(suffix)")
            #expect(file?.path == "data/ab/\(digits)\(suffix)")
            #expect(file?.isObject == true)
            let link = ServedFile(requested: ".cvmfsalt-ab\(digits)\(suffix)")
            #expect(link?.path == "data/ab/\(digits)\(suffix)")
        }
        for name in [".cvmfspublished", ".cvmfswhitelist", ".cvmfsreflog", ".cvmfs_master_replica"] {
            #expect(ServedFile(requested: name)?.isObject == false)
        }
    }

    @Test(
        "nothing else is, however it is written",
        arguments: [
            "", "/", ".", "..", "../x", "data", "data/", "data/txn/x", "data/ab/../../.cvmfspublished", ".cvmfs-state",
            ".cvmfs-state/settings", "%2e%2e/x", "data/ab/%2e%2e/x", ".cvmfspublished/", ".cvmfspublished\0",
            "/etc/passwd", "data//ab/0123456789abcdef0123456789abcdef012345", ".cvmfsalt-", ".cvmfsalt-../x",
        ])
    func notServed(path: String) { #expect(ServedFile(requested: path) == nil) }

    @Test("a range is one part of the file, the whole of it, or none")
    func ranges() {
        let expected: [(String?, RequestedBytes)] = [
            (nil, .whole), ("bytes=0-0", .part(0..<1)), ("bytes=0-99", .part(0..<10)), ("bytes=3-5", .part(3..<6)),
            ("bytes=9-", .part(9..<10)), ("bytes=-3", .part(7..<10)), ("bytes=-99", .part(0..<10)),
            ("bytes=10-", .unsatisfiable), ("bytes=10-20", .unsatisfiable), ("bytes=-0", .unsatisfiable),
            ("bytes=5-3", .whole), ("bytes=a-b", .whole), ("bytes=0-1,3-4", .whole), ("bytes=", .whole),
            ("bytes=-", .whole), ("items=0-1", .whole), ("bytes=0-99999999999999999999", .whole),
            ("bytes=+1-2", .whole),
            ("bytes=1", .whole),
        ]
        for (header, result) in expected { #expect(RequestedBytes(header, size: 10) == result, "\(header ?? "")") }
        #expect(RequestedBytes("bytes=0-", size: 0) == .unsatisfiable)
        #expect(RequestedBytes(nil, size: 0) == .whole)
    }
}
