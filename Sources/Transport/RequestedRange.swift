/// The part of a resource that a request asks for, as all transports understand it.
///
/// It must begin inside the resource, and is cut at the resource's end. An empty one asks for nothing.
enum RequestedRange {
    static func check(_ request: TransferRequest) throws(TransportError) {
        if let range = request.range, range.lowerBound < 0 {
            throw TransportError(.invalidConfiguration, "the range \(range) of \(request.path) begins before the start")
        }
    }

    /// The bytes to deliver of a resource of known size.
    static func resolved(_ request: TransferRequest, size: Int64, source: String) throws(TransportError) -> Range<Int64>
    {
        guard let range = request.range else { return 0..<size }
        guard !range.isEmpty else { return 0..<0 }
        guard range.lowerBound < size else {
            throw TransportError(
                .serverStatus, "\(source)/\(request.path) has \(size) bytes: none from \(range.lowerBound) on",
                status: 416)
        }
        return range.lowerBound..<min(range.upperBound, size)
    }
}
