// A program of the tests: stores content until it is killed, or measures. Its only input is the command line.
//
//     ContentStorer fill  STORAGE SEED                     stores contents without end, a line for each
//     ContentStorer large STORAGE MEBIBYTES                stores one content, and prints the peak of memory in KiB
//     ContentStorer files STORAGE DEFLATER LIST [THREADS]  stores the files of a list, and prints the seconds
//     ContentStorer pull  STORAGE NAME URL KEYFILE         copies a repository, with a line now and then

import CASCore
import FixtureTrees
import Foundation
import Publishing
import Signing
import Transport

let arguments = CommandLine.arguments

func say(_ text: String) {
    // One call to the system for a line, so that it is whole when the program is killed.
    let line = Array((text + "\n").utf8)
    _ = write(1, line, line.count)
}

/// Content without end of which a part repeats, in pieces.
final class LargeSource: ContentSource {
    let label = "a large content"
    let expectedSize: Int64?
    private var random = SeededGenerator(seed: 1)
    private var left: Int64

    init(bytes: Int64) {
        expectedSize = bytes
        left = bytes
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = Int(min(Int64(buffer.count), left))
        left -= Int64(count)
        // A sixteenth of it is without order, the rest is zeros; so it is cut at various places, and soon packed.
        let noise = random.noise(max(1, count / 16))
        UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]).initializeMemory(as: UInt8.self, repeating: 0)
        buffer.copyBytes(from: noise.prefix(count))
        return count
    }
}

func fill() async throws {
    var options = ContentOptions()
    options.chunkSizes = try ChunkSizes(minimum: 10_000, average: 20_000, maximum: 40_000)
    let pipeline = try ContentPipeline(storage: LocalStorage(at: arguments[2], creates: true), options: options)
    var random = SeededGenerator(seed: UInt64(arguments[3]) ?? 0)
    var pending: [PendingContent] = []
    for round in 0... {
        let size = Int.random(in: 0...(round % 7 == 0 ? 200_000 : 12_000), using: &random)
        // Half of the contents come again.
        var content = SeededGenerator(seed: UInt64(round / 2))
        pending.append(try await pipeline.submit(BytesSource(content.text(size / 1000 * 1000))))
        if pending.count > 10 {
            for content in pending { say(try await content.value().objects.map { "\($0)" }.joined(separator: " ")) }
            pending = []
            if round % 5 == 0 { try await pipeline.finish() }
        }
    }
}

func large() async throws {
    let pipeline = try ContentPipeline(storage: LocalStorage(at: arguments[2], creates: true))
    let stored = try await pipeline.store(LargeSource(bytes: (Int64(arguments[3]) ?? 0) << 20))
    try await pipeline.finish()
    say("\(stored.size) bytes in \(stored.chunks.count) chunks")
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let peak = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    say(peak.filter(\.isNumber))
}

func files() async throws {
    var options = ContentOptions()
    options.deflater = DeflaterKind(rawValue: arguments[3]) ?? .zlib
    options.threads = arguments.count > 5 ? Int(arguments[5]) : nil
    let list = try String(contentsOfFile: arguments[4], encoding: .utf8).split(separator: "\n").map(String.init)
    let clock = ContinuousClock()
    let start = clock.now
    let pipeline = try ContentPipeline(storage: LocalStorage(at: arguments[2], creates: true), options: options)
    let made = clock.now
    try await BlockingPool.shared.run {}
    var pending: [PendingContent] = []
    for path in list {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
        if try await pipeline.known(FileIdentity(status)) != nil { continue }
        guard let source = try? FileSource(at: path) else { continue }
        pending.append(try await pipeline.submit(source))
    }
    let submitted = clock.now
    for content in pending { _ = try await content.value() }
    try await pipeline.finish()
    say("opened \(made - start), submitted \(submitted - made), all \(clock.now - start)")
    say("\(pipeline.statistics)")
}

func pull() async throws {
    let key = try Array(Data(contentsOf: URL(fileURLWithPath: arguments[5])))
    let replica = Replica(
        of: arguments[3], at: arguments[2], from: try FailoverTransport(servers: [arguments[4]]),
        trusting: TrustChain(masterKeys: try MasterKey.all(inPEM: key)))
    _ = try await replica.pull { say("\($0.objects) objects") }
}

do {
    switch arguments.count > 3 ? arguments[1] : "" {
    case "fill": try await fill()
    case "large": try await large()
    case "files": try await files()
    case "pull": try await pull()
    default: exit(64)
    }
} catch {
    say("failed: \(error)")
    exit(1)
}
