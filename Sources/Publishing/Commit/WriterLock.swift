internal import Glibc
package import Signing
internal import Synchronization
internal import SystemPackage

/// Who holds a repository's lock.
package struct LockOwner: Sendable, Hashable, CustomStringConvertible {
    package let process: Int32
    package let host: String
    package let program: String
    package let since: UnixTime

    static func current(at time: UnixTime) -> LockOwner {
        LockOwner(process: getpid(), host: hostName(), program: programName(), since: time)
    }

    init(process: Int32, host: String, program: String, since: UnixTime) {
        self.process = process
        self.host = host
        self.program = program
        self.since = since
    }

    init?(_ record: [UInt8]) {
        let lines = String(decoding: record, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 4, let process = Int32(lines[0]), let since = Int64(lines[3]) else { return nil }
        self.init(process: process, host: String(lines[1]), program: String(lines[2]), since: UnixTime(since))
    }

    var record: [UInt8] { Array("\(process)\n\(host)\n\(program)\n\(since.seconds)\n".utf8) }

    package var description: String { "process \(process) (\(program)) on \(host) since \(since)" }

    /// Whether the process may still run; of another host nobody knows.
    var mayLive: Bool { host != Self.hostName() || kill(process, 0) == 0 || errno == EPERM }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func programName() -> String {
        let path = CommandLine.arguments.first ?? ""
        return String((path.split(separator: "/").last ?? "unknown").filter { !$0.isNewline }.prefix(64))
    }
}

/// Keeps two writers of a repository apart.
///
/// The kernel's lock on the file decides, so a dead writer holds nothing; the record in the file tells who it is, and
/// one that is still there when the lock is free tells of a writer that died. The file's time of modification is that
/// of the writer's begin: a collection leaves alone whatever was stored or renewed since.
package final class WriterLock: Sendable {
    private let file: LockFile
    /// The writer before, if it ended without saying so.
    package let deadOwner: LockOwner?
    private let isClosed = Atomic(false)

    /// - Throws: `locked`, and says by whom.
    package init(_ state: StateFolder, at time: UnixTime) throws {
        file = try LockFile(opening: state.writerLock)
        // A collection that looks whether somebody writes holds the lock for an instant; so does one that begins.
        var tries = 0
        while try !file.tryLock(.exclusive) {
            let owner = LockOwner(file.content(limit: PublishingLimits.ownerBytes))
            tries += 1
            if let owner, owner.mayLive {
                throw PublishingError(
                    .locked,
                    "the repository at \(state.path.removingLastComponent()) is being written by \(owner): wait until it is done"
                )
            }
            guard tries < Self.tries else {
                throw PublishingError(.locked, "\(state.writerLock) is held by a process that does not say who it is")
            }
            usleep(Self.pauseMicroseconds)
        }
        deadOwner = LockOwner(file.content(limit: PublishingLimits.ownerBytes))
        try file.replaceContent(with: LockOwner.current(at: time).record)
    }

    private static let tries = 500
    private static let pauseMicroseconds: UInt32 = 10_000

    /// The writer's begin by the file system's clock, in nanoseconds since 1970; `nil` when nobody writes.
    package static func begin(_ state: StateFolder) throws -> Int64? {
        let file = try LockFile(opening: state.writerLock)
        while true {
            if try file.tryLock(.shared) {
                file.unlock()
                return nil
            }
            // Between its lock and its record a writer has not begun.
            if LockOwner(file.content(limit: PublishingLimits.ownerBytes)) != nil { return try file.modified() }
            usleep(pauseMicroseconds / 10)
        }
    }

    /// Ends the writer's time, and says so.
    package func close() {
        // Afterwards the file is somebody else's.
        guard !isClosed.exchange(true, ordering: .relaxed) else { return }
        try? file.replaceContent(with: [])
        file.unlock()
    }
}
