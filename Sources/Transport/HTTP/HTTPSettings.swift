import Synchronization

/// What all requests to one server share.
final class HTTPSettings: Sendable {
    private static let lastNumber = Atomic<UInt64>(0)

    let server: ServerURL
    let options: HTTPOptions
    let eventLoop: HTTPEventLoop
    /// Tells idle handles of different settings apart, also after their owner is gone.
    let number: UInt64
    /// What connections lead to: the proxy, or else the server.
    let peer: String

    init(server: ServerURL, options: HTTPOptions, eventLoop: HTTPEventLoop) {
        self.server = server
        self.options = options
        self.eventLoop = eventLoop
        number = Self.lastNumber.add(1, ordering: .relaxed).newValue
        peer = options.proxy.url ?? "\(server.scheme)://\(server.authority)"
    }

    deinit { eventLoop.core.retire(number) }
}
