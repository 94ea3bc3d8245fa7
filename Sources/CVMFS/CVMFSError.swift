internal import CASCore
internal import Catalog
internal import Signing
internal import Transport

/// What can go wrong with a repository, a snapshot or a file.
///
/// `category` tells apart what a program reacts to differently; `cause` holds the module's own error.
public struct CVMFSError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// A name, an address or a combination of options that makes no sense.
        case invalidArgument
        /// No master key was found to trust.
        case noKeys
        /// A path does not exist in the snapshot.
        case noSuchEntry
        /// A component of a path, or what was to be listed, is not a directory.
        case notADirectory
        /// A directory where a file was wanted.
        case isADirectory
        /// A symlink, fifo, socket or device where a file's content was wanted.
        case notAFile
        /// More symlinks on one path than are followed.
        case tooManySymlinks
        /// The repository has no tag of that name, or none for that date, or keeps no history.
        case noSuchTag
        /// A descriptor of the whole file was wanted of a file that is stored in chunks.
        case chunkedFile
        /// No server delivers, and the cache does not hold what is needed.
        case unreachable
        /// The chain of trust does not hold.
        case untrusted
        /// What was fetched or cached is damaged, or a catalog contradicts itself.
        case corrupt
        /// The local disk: full, unwritable, failing.
        case storage
    }

    /// What a caller can do something about.
    public enum Category: String, Sendable, CaseIterable {
        case usage, absence, network, trust, corruption, storage
    }

    public let code: Code
    /// What failed, where, and what to do about it; one line.
    public let message: String
    /// The error behind this one.
    public let cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var category: Category {
        switch code {
        case .invalidArgument, .noKeys, .isADirectory, .notAFile, .notADirectory, .chunkedFile: .usage
        case .noSuchEntry, .noSuchTag, .tooManySymlinks: .absence
        case .unreachable: .network
        case .untrusted: .trust
        case .corrupt: .corruption
        case .storage: .storage
        }
    }

    public var description: String { message }
}

extension CVMFSError {
    /// Puts what was being done before an error of a lower module; cancellation and our own errors pass unchanged.
    package static func during(_ doing: @autoclosure () -> String, _ error: any Error) -> any Error {
        switch error {
        case is CancellationError, is CVMFSError: error
        case let error as TransportError:
            // What is longer than it may be came through; it is wrong, not far away.
            CVMFSError(error.code == .tooLong ? .corrupt : .unreachable, "\(doing()): \(error)", cause: error)
        case let error as SigningError: CVMFSError(.untrusted, "\(doing()): \(error)", cause: error)
        case let error as CatalogError: CVMFSError(.corrupt, "\(doing()): \(error)", cause: error)
        case let error as CASError:
            CVMFSError(
                error.isBadData || error.code == .damagedCache ? .corrupt : .storage, "\(doing()): \(error)",
                cause: error)
        default: CVMFSError(.storage, "\(doing()): \(error)", cause: error)
        }
    }
}
