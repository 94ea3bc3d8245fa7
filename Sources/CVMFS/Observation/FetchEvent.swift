public import CASCore

/// One object or file of the repository's root that was fetched, or could not be.
public struct FetchEvent: Sendable {
    /// Why something was fetched.
    public enum Reason: Sendable, Hashable {
        case manifest
        case whitelist
        case certificate
        case metainfo
        case history
        /// The catalog mounted at that path.
        case catalog(RepositoryPath)
        /// A whole file, wanted now.
        case file(RepositoryPath)
        /// A chunk of a file, by its offset in bytes.
        case chunk(RepositoryPath, offset: Int64)
    }

    /// What came of it.
    public enum Outcome: Sendable {
        case fetched
        case failed(any Error)
    }

    public let reason: Reason
    /// `nil` for the manifest and the whitelist, which have no hash to be known by.
    public let object: ObjectID?
    public let priority: FetchPriority
    /// The server that delivered; empty when none did.
    public let source: String
    /// Bytes of the bodies received, failed attempts included.
    public let bytes: Int64
    /// Requests made.
    public let requests: Int
    /// From the need to the verified object.
    public let duration: Duration
    public let outcome: Outcome
}

extension FetchEvent.Reason {
    /// The path in the repository that made it necessary, if any.
    public var path: RepositoryPath? {
        switch self {
        case .manifest, .whitelist, .certificate, .metainfo, .history: nil
        case .catalog(let path), .file(let path), .chunk(let path, _): path
        }
    }
}
