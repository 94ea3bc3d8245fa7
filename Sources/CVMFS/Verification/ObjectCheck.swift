internal import CASCore
internal import Catalog
internal import Synchronization
internal import Transport

/// Fetches objects from the servers, verifies and unpacks them, and forgets them: each once.
final class ObjectCheck: Sendable {
    // Unlike ObjectID it tells kinds apart: a chunk and a whole file of the same bytes are two files on a server.
    private struct Name: Hashable {
        let hash: ContentHash
        let compression: Compression
        let kind: ObjectKind
    }

    /// What is left of content that has been looked at.
    private final class Nowhere: ContentOutput {
        func restart() {}
        func write(_ bytes: RawSpan) {}
    }

    enum Claim {
        /// Nobody has asked for this object yet: check it.
        case new
        case known
        /// An earlier reference gave another size, in bytes.
        case disagrees(Int64)
    }

    struct Problem: Sendable {
        let kind: Defect.Kind
        let detail: String
    }

    private let fetcher: ObjectFetcher
    // The size that the first reference gave, to find others that disagree.
    private let seen = Mutex<[Name: Int64]>([:])

    init(fetcher: ObjectFetcher) { self.fetcher = fetcher }

    /// Notes a reference to an object.
    func claim(_ id: ObjectID, size: Int64) -> Claim {
        let name = Name(hash: id.hash, compression: id.compression, kind: id.kind)
        return seen.withLock { seen in
            guard let other = seen[name] else {
                seen[name] = size
                return .new
            }
            return other == size ? .known : .disagrees(other)
        }
    }

    /// Checks the object: the number of its bytes, and what is wrong with it.
    func run(
        _ id: ObjectID, size: ContentSize, at path: String?, for reason: FetchEvent.Reason
    ) async throws -> (bytes: Int64, problem: Problem?) {
        let decoder = ContentDecoder(id: id, size: size, output: Nowhere())
        let request = TransferRequest(
            path ?? id.serverPath, limit: ObjectFetcher.storedBytes(of: size, compression: id.compression),
            priority: .prefetch)
        do {
            try await fetcher.transfer(request, object: id, for: reason, into: decoder)
            return (decoder.result?.size ?? 0, nil)
        } catch {
            guard let kind = Self.kind(of: error) else { throw error }
            return (0, Problem(kind: kind, detail: "\(error)"))
        }
    }

    /// What an error says of the object; `nil` when it is not the object's.
    static func kind(of error: any Error) -> Defect.Kind? {
        switch error {
        case let error as TransportError:
            switch error.code {
            case .notFound: .missingObject
            case .tooLong: .corruptObject
            default: .unreachableObject
            }
        case let error as CASError where error.isBadData: error.code == .sizeMismatch ? .wrongSize : .corruptObject
        case let error as CatalogError where error.isBadData: .malformedCatalog
        case let error as CVMFSError:
            error.cause.flatMap { kind(of: $0) } ?? (error.code == .corrupt ? .malformedCatalog : nil)
        default: nil
        }
    }
}
