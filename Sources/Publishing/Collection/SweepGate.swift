internal import Synchronization
internal import SystemPackage

/// Keeps apart, for an instant each, a writer that renews an object and a collection that deletes it.
///
/// A writer that wants to rely on an object sets its time of modification while it holds the gate shared; a collection
/// looks at that time and deletes while it holds the gate exclusively. So either the collection sees the new time and
/// leaves the object, or the writer finds it gone and stores it anew. See Docs/Decisions.md, Collection.
package final class SweepGate: Sendable {
    private let path: FilePath
    // A lock belongs to an open file, so threads that hold it at the same time need one each.
    private let idle = Mutex<[LockFile]>([])

    package init(_ state: StateFolder) { path = state.sweepLock }

    /// Runs a body that renews objects or stores them; waits while a collection deletes a batch. Blocks.
    package func shared<Result>(_ body: () throws -> Result) throws -> Result {
        let file = try idle.withLock { $0.popLast() } ?? LockFile(opening: path)
        defer { idle.withLock { $0.append(file) } }
        try file.lock(.shared)
        defer { file.unlock() }
        return try body()
    }

    /// Runs a body that deletes objects; waits for the writers that renew one just now. Blocks.
    package func exclusive<Result>(_ body: () throws -> Result) throws -> Result {
        let file = try LockFile(path, .exclusive)
        defer { file.unlock() }
        return try body()
    }
}
