public import CASCore

/// Where a repository's objects and the files of its root are kept: a folder that a web server serves, or a service
/// behind a network.
///
/// Implementations may block for the disk: whoever calls them does so on an executor that may block
/// (`BlockingPool.shared`). All of them may be called by several tasks at once. `ObjectUploaderConformance` in
/// `CVMFSTesting` proves one right. Source: format 2.
public protocol ObjectUploader: Sendable {
    /// Whether the object is there, under the name that its kind gives it.
    func contains(_ object: ObjectID) async throws(PublishingError) -> Bool

    /// Whether the object is there; if it is, a collection of garbage that runs meanwhile will not delete it.
    ///
    /// Whoever means to refer to an object that is stored already asks this, not `contains`.
    func renew(_ object: ObjectID) async throws(PublishingError) -> Bool

    /// Stores an object's bytes under its name, whole or not at all. What is there already is renewed, not written again.
    ///
    /// - Parameters:
    ///   - stored: the bytes whose hash is the object's name; they are not hashed again.
    ///   - object: its name.
    func upload(_ stored: StoredBytes, as object: ObjectID) async throws(PublishingError)

    /// Replaces a file of the repository's root, such as `.cvmfspublished`, at once and durably.
    ///
    /// A name is one component of a path; any other is refused with `invalidArgument`, here and by `read`.
    func replace(_ name: String, with bytes: [UInt8]) async throws(PublishingError)

    /// The bytes of a file of the repository's root; `nil` when there is none.
    /// - Parameters:
    ///   - name: one component of a path.
    ///   - limit: the most bytes that it may have. A longer one is `corrupt`.
    func read(_ name: String, limit: Int) async throws(PublishingError) -> [UInt8]?

    /// Returns when everything uploaded before would outlive a crash of the machine.
    func synchronize() async throws(PublishingError)
}

/// An object's bytes as they are to be stored.
public enum StoredBytes: Sendable {
    case bytes([UInt8])
    /// A file that becomes the object. It is gone afterwards.
    case file(at: String)
}
