import Glibc

/// A port of the loopback interfaces that is ours until this value is gone, whether anybody listens on it or not.
///
/// It is held by sockets that are bound and never listen. As all sides set SO_REUSEADDR, a server can listen beside
/// them, stop and listen again, and nobody else is given the port meanwhile.
struct ReservedPort: ~Copyable, Sendable {
    let number: UInt16
    /// Whether [::1] is there too.
    let hasIPv6: Bool
    private let holders: [Int32]

    init() throws {
        for _ in 0..<100 {
            guard let four = Self.bound(AF_INET, port: 0) else { continue }
            let port = Self.port(of: four)
            if let six = Self.bound(AF_INET6, port: port) {
                (number, hasIPv6, holders) = (port, true, [four, six])
                return
            }
            // EADDRINUSE: another program has the port there. Anything else: this machine has no IPv6.
            if errno != EADDRINUSE {
                (number, hasIPv6, holders) = (port, false, [four])
                return
            }
            close(four)
        }
        throw LocalServerError("no free port of 127.0.0.1 and [::1]")
    }

    deinit { for holder in holders { close(holder) } }

    /// Listening sockets for 127.0.0.1 and, where there is IPv6, [::1]. The caller closes them.
    func listen() throws -> [Int32] {
        var sockets: [Int32] = []
        for family in hasIPv6 ? [AF_INET, AF_INET6] : [AF_INET] {
            guard let socket = Self.bound(family, port: number), Glibc.listen(socket, 511) == 0 else {
                throw LocalServerError("port \(number) cannot be listened on: errno \(errno)")
            }
            sockets.append(socket)
        }
        return sockets
    }

    private static func bound(_ family: Int32, port: UInt16) -> Int32? {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var yes: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, size)
        if family == AF_INET6 { setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &yes, size) }
        if withLoopback(family, port: port, { bind(descriptor, $0, $1) }) == 0 { return descriptor }
        let error = errno
        close(descriptor)
        errno = error
        return nil
    }

    private static func port(of socket: Int32) -> UInt16 {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutableBytes(of: &address) { bytes in
            _ = getsockname(socket, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress!, &size)
        }
        return UInt16(bigEndian: address.sin_port)
    }
}

/// Calls with the address of the loopback interface.
private func withLoopback(
    _ family: Int32, port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    if family == AF_INET6 {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        address.sin6_addr = in6addr_loopback
        return withUnsafeBytes(of: &address) {
            body($0.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t($0.count))
        }
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    return withUnsafeBytes(of: &address) {
        body($0.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t($0.count))
    }
}

/// Connects to a port of 127.0.0.1; `nil` when nobody listens there.
func connectToLoopback(port: UInt16) -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    if withLoopback(AF_INET, port: port, { connect(descriptor, $0, $1) }) == 0 { return descriptor }
    close(descriptor)
    return nil
}
