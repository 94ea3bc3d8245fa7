import CASCore
import Synchronization

/// One request and its response.
///
/// `@unchecked`: the variables belong to the event loop's thread, which alone reads and writes them; the exchange gets
/// there through the loop's locked inbox. The rest is constant or synchronised itself.
final class HTTPExchange: @unchecked Sendable {
    /// How far the loop is with it.
    enum Phase {
        case submitted
        case waiting(AdmissionQueue<HTTPExchange>.Ticket)
        case running(CurlEasy, AdmissionQueue<HTTPExchange>.Ticket)
        case ended
    }

    /// What is done with the bytes of a response's body.
    private enum Disposition {
        case undecided
        case deliver
        /// The page of an error: read so that the connection can be used again, and dropped.
        case drop
    }

    let settings: HTTPSettings
    let url: String
    let range: Range<Int64>?
    let priority: FetchPriority
    let bypassesCaches: Bool
    let pipe = BodyPipe()
    /// The most bytes that the body may have.
    let limit: Int64

    var phase = Phase.submitted
    private var disposition = Disposition.undecided
    private var headerBytes = 0
    private var bodyBytes: Int64 = 0
    private var contentRange: ContentRange?
    /// Why we ended the transfer ourselves.
    private var verdict: TransportError?

    init(_ request: TransferRequest, settings: HTTPSettings) throws(TransportError) {
        try ResourcePath.check(request.path)
        self.settings = settings
        url = "\(settings.server.description)/\(request.path)"
        range = request.range
        limit = min(request.limit, Int64(request.range?.count ?? Int.max))
        priority = request.priority
        bypassesCaches = request.bypassesCaches
    }

    // MARK: What curl tells, on the loop's thread

    /// Takes one line of the response's head. Returns whether the transfer may go on.
    func receive(headerLine line: UnsafeRawBufferPointer) -> Bool {
        headerBytes += line.count
        guard headerBytes <= TransportLimits.responseHeaderBytes else {
            verdict = TransportError(
                .other, "\(url): the response's head is longer than \(TransportLimits.responseHeaderBytes) bytes")
            return false
        }
        if range != nil, let found = ContentRange(headerLine: line) { contentRange = found }
        return true
    }

    /// Takes bytes of the body.
    func receive(body bytes: UnsafeRawBufferPointer, from easy: CurlEasy) -> BodyPipe.Acceptance {
        if case .undecided = disposition, !judgeHead(easy) { return .closed }
        if case .drop = disposition {
            bodyBytes += Int64(bytes.count)
            return bodyBytes <= TransportLimits.errorPageBytes ? .taken : .closed
        }
        guard bodyBytes + Int64(bytes.count) <= limit else {
            verdict = tooLong()
            return .closed
        }
        let acceptance = pipe.append(bytes)
        switch acceptance {
        case .taken: bodyBytes += Int64(bytes.count)
        case .full: settings.eventLoop.core.countPause()
        case .closed: break
        }
        return acceptance
    }

    /// The transfer has ended, as curl sees it.
    func end(_ result: CurlResult, of easy: CurlEasy) {
        // Nothing has been looked at yet when there is no body, or curl has refused its length.
        if case .undecided = disposition, result.isSuccess || (range != nil && easy.status == 200) {
            _ = judgeHead(easy)
        }
        phase = .ended
        if let verdict {
            pipe.finish(.failure(verdict))
        } else if result.isSuccess, case .deliver = disposition {
            if let announced = easy.contentLength, announced != bodyBytes {
                pipe.finish(
                    .failure(
                        TransportError(
                            .incompleteTransfer, "\(url): \(bodyBytes) bytes came instead of \(announced)")))
            } else {
                pipe.finish(.success(1 + easy.redirections))
            }
        } else {
            pipe.finish(.failure(result.error(for: self, status: easy.status, easy: easy)))
        }
    }

    /// The transfer does not take place.
    func end(_ error: TransportError) {
        phase = .ended
        pipe.finish(.failure(error))
    }

    /// Decides by status and headers what is done with the body. Returns whether the transfer may go on.
    private func judgeHead(_ easy: CurlEasy) -> Bool {
        let status = easy.status
        guard (200..<300).contains(status) else {
            disposition = .drop
            return true
        }
        let length = easy.contentLength
        if let trouble = rangeTrouble(status: status, length: length) {
            verdict = TransportError(.serverStatus, "\(url): \(trouble)", status: status)
            return false
        }
        if let length, length > limit {
            verdict = tooLong()
            return false
        }
        disposition = .deliver
        pipe.start(expectedLength: length)
        return true
    }

    /// What is wrong with the answer to a request for some bytes, or for all of them.
    private func rangeTrouble(status: Int, length: Int64?) -> String? {
        guard let range else {
            return status == 206 ? "the server sends a part (status 206) though all was asked for" : nil
        }
        guard status == 206 else {
            // All of it is what was asked for, when the part begins at the start and the whole is no longer.
            if range.lowerBound == 0, let length, length <= Int64(range.count) { return nil }
            return "the server does not send the bytes \(range.lowerBound) to \(range.upperBound - 1) alone"
                + " (status \(status)); it must support ranges"
        }
        guard let contentRange else { return "the server sends a part without saying which (no Content-Range)" }
        guard contentRange.answers(range), length.map({ $0 == contentRange.length }) ?? true else {
            return "the server sends other bytes than \(range.lowerBound) to \(range.upperBound - 1)"
        }
        return nil
    }

    private func tooLong() -> TransportError {
        TransportError(.tooLong, "\(url): the body is longer than the \(limit) bytes that are allowed")
    }
}

/// The `Content-Range` of a partial response: `bytes first-last/total`. Source: RFC 9110, 14.4.
struct ContentRange: Equatable {
    let first: Int64
    let last: Int64
    /// Size of the whole resource; `nil` when the server does not know.
    let total: Int64?

    var length: Int64 { last - first + 1 }

    /// `nil` when the line is another header, or malformed.
    init?(headerLine line: UnsafeRawBufferPointer) {
        let name = "content-range:"
        guard line.count > name.utf8.count, line.count < 256,
            zip(line, name.utf8).allSatisfy({ $0 == $1 || ($0 | 0x20) == $1 })
        else { return nil }
        self.init(value: String(decoding: line.dropFirst(name.utf8.count), as: UTF8.self))
    }

    init?(value: String) {
        let words = value.split { $0 == " " || $0 == "\t" || $0.isNewline }
        guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
        let parts = words[1].split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let bounds = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard bounds.count == 2, let first = Int64(bounds[0]), let last = Int64(bounds[1]), first >= 0, first <= last,
            last < Int64.max
        else { return nil }
        if parts[1] == "*" {
            total = nil
        } else {
            guard let total = Int64(parts[1]), total > last else { return nil }
            self.total = total
        }
        (self.first, self.last) = (first, last)
    }

    /// Whether it is what was asked for: from the first byte to the last, or to the end of the resource before it.
    func answers(_ range: Range<Int64>) -> Bool {
        guard first == range.lowerBound, last < range.upperBound else { return false }
        return last == range.upperBound - 1 || last + 1 == total
    }
}
