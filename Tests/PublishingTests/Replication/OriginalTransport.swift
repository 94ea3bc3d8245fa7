import CASCore
import Glibc
import LocalServers
import Synchronization
import Transport

/// The folder of a repository as a server has it, which may be told to fail.
final class OriginalTransport: ObjectTransport {
    struct State {
        /// What was asked for, in order.
        var requests: [String] = []
        /// The number of requests that are answered; nothing comes after it.
        var answered = Int.max
        /// Other bodies than those on the disk; `nil` is a 404.
        var replaced: [String: [UInt8]?] = [:]
    }

    private let folder: String
    let state = Mutex(State())

    init(_ folder: String) { self.folder = folder }

    var requests: [String] { state.withLock { $0.requests } }

    /// Begins to count anew.
    func reset(answering count: Int = .max, replacing bodies: [String: [UInt8]?] = [:]) {
        state.withLock { $0 = State(answered: count, replaced: bodies) }
    }

    func fetch(_ request: TransferRequest, into sink: some ByteSink) async throws -> TransferReceipt {
        let (answers, replaced) = state.withLock { state in
            state.requests.append(request.path)
            return (state.requests.count <= state.answered, state.replaced[request.path])
        }
        guard answers else { throw TransportError(.cannotConnect, "the test's server is gone") }
        guard let body = replaced ?? readFile("\(folder)/\(request.path)") else {
            throw TransportError(.notFound, "\(request.path) does not exist", status: 404)
        }
        return try await MemoryTransport([request.path: body]).fetch(request, into: sink)
    }
}
