import Foundation
import LocalServers
import Testing

@Suite("The memory of publishers")
struct TransactionMemoryTests {
    /// CVMFS_SOAK_ENTRIES is how many entries are published.
    private static let entries = ProcessInfo.processInfo.environment["CVMFS_SOAK_ENTRIES"] ?? "20000"

    @Test("memory stays below 256 MiB however many entries are published, and unchanged ones stay as they are")
    func bounded() async throws {
        let folder = try TemporaryFolder("memory")
        let (storage, keys, log) = ("\(folder.path)/storage", "\(folder.path)/keys", "\(folder.path)/log")
        #expect(try await PublisherProgram.run("init", storage, keys, log: log))
        for (changed, expected) in [("-1", " changed 1 "), ("7777", " added 0 changed 1 removed 0 ")] {
            #expect(try await PublisherProgram.run("many", storage, keys, Self.entries, "/", changed, log: log))
            let output = String(decoding: readFile(log) ?? [], as: UTF8.self)
            #expect(output.contains(expected), "\(output)")
            let memory = try #require(output.split(separator: " ").last.flatMap { Int($0.dropLast()) }, "\(output)")
            print("\(Self.entries) entries: \(output)", terminator: "")
            #expect(memory < 256)
        }
    }
}
