internal import CMount
internal import FUSE
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// Whether the kernel can read the cache's files by itself, and what it need not hold any more.
final class PassThrough: Sendable {
    private struct State {
        var session: Session?
        var failure: String?
    }

    let isWanted: Bool
    private let state = Mutex(State())

    init(isWanted: Bool) { self.isWanted = isWanted }

    /// Why not; `nil` as long as nothing is against it.
    var failure: String? { state.withLock { $0.failure } }

    var isPossible: Bool { isWanted && failure == nil }

    /// Tries whether the kernel takes a file of the cache's folder, and closes what a process of before has left.
    func begin(_ session: Session, table: NodeTable, cache: String) {
        guard isWanted else { return }
        state.withLock { $0.session = session }
        closeUnused(of: table)
        guard session.agreement.features.contains(.passthrough) else { return }
        let file = cmount_unnamed_file(cache)
        guard file >= 0 else { return }
        defer { close(file) }
        do throws(FUSEError) { _ = try session.backing(FileDescriptor(rawValue: file)) } catch { failed(error) }
    }

    /// The kernel refuses: what is opened first from now on is read through the mount.
    func failed(_ error: FUSEError) { state.withLock { $0.failure = error.message } }

    func closeUnused(of table: NodeTable) {
        guard isWanted, let session = state.withLock({ $0.session }) else { return }
        for closed in table.takeClosed() {
            try? session.closeBacking(BackingID(rawValue: closed.backing.number))
            table.finish(closed)
        }
    }

    /// Closes what was registered and is not needed. Before the mount has begun for this object it stays until it ends.
    func drop(_ backing: FileBacking) {
        guard backing != .none, let session = state.withLock({ $0.session }) else { return }
        try? session.closeBacking(BackingID(rawValue: backing.number))
    }

    /// The session keeps whoever keeps this.
    func end() { state.withLock { $0.session = nil } }
}
