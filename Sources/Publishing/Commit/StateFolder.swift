internal import CPlatform
package import SystemPackage

/// What a publisher keeps beside a repository's objects and no client asks for: settings, locks, indexes.
///
/// ```
/// settings        how new objects are made: see RepositorySettings
/// writer.lock     who writes now: see WriterLock
/// commit.lock     held while reflog and manifest are replaced
/// sweep.lock      see SweepGate
/// collection.lock who collects now
/// reflog.chksum   the hash of the reflog's file
/// scratch/        files on their way; nothing in it outlives its process
/// ```
package struct StateFolder: Sendable {
    package static let name = ".cvmfs-state"

    package let path: FilePath

    /// - Parameter storage: the repository's own folder, which holds `.cvmfspublished`.
    package init(storage: FilePath) { path = storage.appending(Self.name) }

    /// Makes it, and what belongs in it, where it is missing.
    package func make() throws {
        for folder in [path, scratch] {
            let made = folder.withPlatformString { cplatform_make_folders($0) }
            guard made >= 0 else {
                throw PublishingError(.storage, "\(folder) cannot be made", cause: Errno(rawValue: -made))
            }
        }
    }

    package var scratch: FilePath { path.appending("scratch") }
    package var settings: FilePath { path.appending("settings") }
    package var writerLock: FilePath { path.appending("writer.lock") }
    package var commitLock: FilePath { path.appending("commit.lock") }
    package var sweepLock: FilePath { path.appending("sweep.lock") }
    package var collectionLock: FilePath { path.appending("collection.lock") }
    package var reflogChecksum: FilePath { path.appending("reflog.chksum") }

    /// A name in `scratch` that nobody else has.
    package func scratchFile(_ purpose: String) -> FilePath {
        scratch.appending("\(purpose)-\(FreeName.make())")
    }
}
