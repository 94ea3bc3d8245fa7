// A program of the tests: makes and fills a repository, and can end itself without a chance to do anything any more.
// Its only input is the command line.
//
//     TreePublisher init    STORAGE KEYS [DEFLATER]
//     TreePublisher sync    STORAGE KEYS FOLDER PATH [STAGE]      kills itself at a stage
//     TreePublisher many    STORAGE KEYS ENTRIES PATH [CHANGED]   publishes so many small entries of its own making
//
// The last two print what was done, and the most memory that the process had.

import CASCore
import Catalog
import Foundation
import Publishing
import Signing
import SystemPackage

let arguments = CommandLine.arguments
let name = "published.example.org"

func argument(_ position: Int) -> String { position < arguments.count ? arguments[position] : "" }

func say(_ text: String) { _ = try? FileDescriptor.standardOutput.writeAll((text + "\n").utf8) }

@Sendable func end(at stage: String, _ reached: String) {
    if stage == reached { kill(getpid(), SIGKILL) }
}

func begin(killedAt stage: String = "") async throws -> Transaction {
    var options = TransactionOptions()
    options.clock = { UnixTime(1_700_000_000) }
    options.reached = { end(at: stage, $0.rawValue) }
    options.commitReached = { end(at: stage, "commit-\($0.rawValue)") }
    // The walk is somewhere in the middle.
    options.progress = { _ in end(at: stage, "walking") }
    return try await Transaction.begin(
        name, storage: FilePath(argument(2)), keys: FilePath(argument(3)), options: options)
}

func finish(_ transaction: Transaction) async throws {
    let manifest = try await transaction.commit()
    let report = await transaction.summary
    say(
        "revision \(manifest?.revision ?? transaction.base.revision) added \(report.added) changed \(report.changed) "
            + "removed \(report.removed) unchanged \(report.unchanged) memory \(try peakMebibytes())")
}

/// The most memory that this program had; what `getrusage` says begins with what its parent had.
func peakMebibytes() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return (Int(line.filter(\.isNumber)) ?? .max) >> 10
}

/// Many entries with hardly any content: directories of 500 files.
struct ManyEntries: TreeSource {
    let label = "many entries"
    let entries: Int
    let changed: Int
    private var index = -1
    private let perFolder = 500

    init(entries: Int, changed: Int) {
        self.entries = entries
        self.changed = changed
    }

    mutating func next() -> SourceEntry? {
        defer { index += 1 }
        guard index >= 0 else { return SourceEntry(path: .root, kind: .directory, permissions: 0o755) }
        guard index < entries else { return nil }
        let (folder, file) = index.quotientAndRemainder(dividingBy: perFolder)
        let path = RepositoryPath("/\(padded(folder / 100))/\(padded(folder))")
        if file == 1 || perFolder == 1 { return entry(path, .directory) }
        if file == 0 {
            return folder % 100 == 0 ? entry(RepositoryPath("/\(padded(folder / 100))"), .directory) : nextAfter()
        }
        var made = entry(path.appending(FileName("file-\(padded(file))")), .file)
        let content = Array("content \(index % 1000)\(index == changed ? " is new" : "")\n".utf8)
        made.content = .unread(size: Int64(content.count), identity: nil) { BytesSource(content) }
        return made
    }

    private mutating func nextAfter() -> SourceEntry? {
        index += 1
        let (folder, _) = index.quotientAndRemainder(dividingBy: perFolder)
        return entry(RepositoryPath("/\(padded(folder / 100))/\(padded(folder))"), .directory)
    }

    private func padded(_ number: Int) -> String { String(String(1_000_000 + number).dropFirst()) }

    private func entry(_ path: RepositoryPath, _ kind: EntryKind) -> SourceEntry {
        SourceEntry(path: path, kind: kind, permissions: kind == .directory ? 0o755 : 0o644, mtime: 1_600_000_000)
    }
}

switch argument(1) {
case "init":
    var new = RepositoryInitialization(of: name, storage: FilePath(argument(2)), keys: FilePath(argument(3)))
    new.deflater = DeflaterKind(rawValue: argument(4)) ?? .zlib
    new.keyBits = 1024
    try await new.run { UnixTime(1_700_000_000) }
case "sync":
    let transaction = try await begin(killedAt: argument(6))
    try await transaction.sync(from: FilePath(argument(4)), at: RepositoryPath(argument(5)))
    try await finish(transaction)
case "many":
    let transaction = try await begin()
    let source = ManyEntries(entries: Int(argument(4)) ?? 0, changed: Int(argument(6)) ?? -1)
    try await transaction.sync(at: RepositoryPath(argument(5))) { source }
    try await finish(transaction)
default:
    say("usage: see the first lines of main.swift")
    exit(64)
}
