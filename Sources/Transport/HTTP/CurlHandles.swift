import CCurl

/// A curl handle for one transfer at a time, used again and again with the settings of one server.
///
/// Belongs to the event loop's thread, like everything that it calls.
final class CurlEasy {
    fileprivate let handle: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private let freshHeaders: UnsafeMutablePointer<curl_slist>?
    /// The transfer that is under way.
    private(set) var exchange: HTTPExchange?
    /// Whether its bytes wait in curl for room in the buffer.
    private(set) var isPaused = false

    init?(_ settings: HTTPSettings) {
        guard let handle = ccurl_easy_init() else { return nil }
        self.handle = handle
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        freshHeaders = ccurl_slist_append(ccurl_slist_append(nil, "Pragma: no-cache"), "Cache-Control: no-cache")
        configure(settings)
    }

    deinit {
        ccurl_easy_cleanup(handle)
        ccurl_slist_free_all(freshHeaders)
        errorText.deallocate()
    }

    private func configure(_ settings: HTTPSettings) {
        let options = settings.options
        let context = Unmanaged.passUnretained(self).toOpaque()
        ccurl_set_pointer(handle, CURLOPT_PRIVATE, context)
        ccurl_set_pointer(handle, CURLOPT_ERRORBUFFER, errorText)
        ccurl_set_receivers(
            handle,
            { bytes, size, count, context in
                CurlEasy.of(context)?.receive(headerLine: UnsafeRawBufferPointer(start: bytes, count: size * count))
                    ?? 0
            },
            { bytes, size, count, context in
                CurlEasy.of(context)?.receive(body: UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
            }, context)
        ccurl_set_long(handle, CURLOPT_NOSIGNAL, 1)
        ccurl_set_long(handle, CURLOPT_NOPROGRESS, 1)
        ccurl_set_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        ccurl_set_text(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
        ccurl_set_text(handle, CURLOPT_USERAGENT, options.userAgent)
        // Paths are checked to be free of dots; curl need not look for them.
        ccurl_set_long(handle, CURLOPT_PATH_AS_IS, 1)
        ccurl_set_long(handle, CURLOPT_FOLLOWLOCATION, options.followsRedirects ? 1 : 0)
        ccurl_set_long(handle, CURLOPT_MAXREDIRS, TransportLimits.redirections)
        // An object's name is the hash of the bytes as the server keeps them: nothing may unpack them on the way.
        ccurl_set_long(handle, CURLOPT_HTTP_CONTENT_DECODING, 0)
        // An empty proxy, and an empty list of exceptions, keep curl from asking the environment.
        ccurl_set_text(handle, CURLOPT_PROXY, options.proxy.url ?? "")
        ccurl_set_text(handle, CURLOPT_NOPROXY, "")
        // Not through a proxy's tunnel: there curl 7.88 sends requests on connections that are not ready for them.
        let sharesConnections = settings.server.scheme == .https && options.proxy == .direct
        ccurl_set_long(
            handle, CURLOPT_HTTP_VERSION,
            Int(sharesConnections ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1))
        // Wait to see if the first connection takes all requests, before another is made.
        ccurl_set_long(handle, CURLOPT_PIPEWAIT, sharesConnections ? 1 : 0)
        ccurl_set_long(handle, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        ccurl_set_long(handle, CURLOPT_SSL_VERIFYPEER, 1)
        ccurl_set_long(handle, CURLOPT_SSL_VERIFYHOST, 2)
        if let file = options.certificateAuthorities { ccurl_set_text(handle, CURLOPT_CAINFO, file) }
        ccurl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, options.timeout.wholeMilliseconds)
        ccurl_set_long(handle, CURLOPT_LOW_SPEED_LIMIT, max(1, options.lowSpeedLimit))
        ccurl_set_long(handle, CURLOPT_LOW_SPEED_TIME, (options.timeout.wholeMilliseconds + 999) / 1000)
        if let total = options.totalTimeout { ccurl_set_long(handle, CURLOPT_TIMEOUT_MS, total.wholeMilliseconds) }
        // As much as is worth reading at once, and still from the heap: a larger buffer is mapped anew each time.
        ccurl_set_long(handle, CURLOPT_BUFFERSIZE, 64 << 10)
    }

    /// Sets what differs between requests.
    func prepare(_ exchange: HTTPExchange) {
        self.exchange = exchange
        isPaused = false
        errorText.pointee = 0
        ccurl_set_text(handle, CURLOPT_URL, exchange.url)
        ccurl_set_pointer(handle, CURLOPT_HTTPHEADER, exchange.bypassesCaches ? freshHeaders : nil)
        if let range = exchange.range {
            ccurl_set_text(handle, CURLOPT_RANGE, "\(range.lowerBound)-\(range.upperBound - 1)")
        } else {
            ccurl_set_text(handle, CURLOPT_RANGE, nil)
        }
        // Refused by what it announces, before it comes; but the page of an error may be longer than the object.
        let longest = max(exchange.limit, Int64(TransportLimits.errorPageBytes))
        ccurl_set_offset(handle, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(longest))
    }

    /// Lets go of the exchange; the handle may serve another one.
    func forget() { exchange = nil }

    /// Offers the bytes again that did not fit.
    func resume() {
        guard isPaused else { return }
        isPaused = false
        ccurl_easy_pause(handle, CURLPAUSE_CONT)
    }

    /// The status of the response; 0 before there is one.
    var status: Int { ccurl_get_long(handle, CURLINFO_RESPONSE_CODE) }
    /// The status of a proxy's answer to CONNECT; 0 without one.
    var tunnelStatus: Int { ccurl_get_long(handle, CURLINFO_HTTP_CONNECTCODE) }
    var redirections: Int { ccurl_get_long(handle, CURLINFO_REDIRECT_COUNT) }
    /// The length of the body that the response gives, in bytes.
    var contentLength: Int64? {
        let length = ccurl_get_offset(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T)
        return length < 0 ? nil : Int64(length)
    }
    /// What curl says about a failure; may be empty. Servers have a say in it, so nothing but text is kept.
    var failureText: String {
        let text = String(cString: errorText).unicodeScalars.map { $0.value < 32 || $0.value == 127 ? "?" : $0 }
        return String(String.UnicodeScalarView(text.prefix(200)))
    }

    fileprivate static func of(_ context: UnsafeMutableRawPointer?) -> CurlEasy? {
        context.map { Unmanaged<CurlEasy>.fromOpaque($0).takeUnretainedValue() }
    }

    // Returning another number than that of the bytes ends the transfer.

    private func receive(headerLine line: UnsafeRawBufferPointer) -> Int {
        exchange?.receive(headerLine: line) == true ? line.count : line.count ^ 1
    }

    private func receive(body bytes: UnsafeRawBufferPointer) -> Int {
        switch exchange?.receive(body: bytes, from: self) {
        case .taken: return bytes.count
        case .closed, nil: return bytes.count ^ 1
        case .full:
            isPaused = true
            return Int(CURL_WRITEFUNC_PAUSE)
        }
    }
}

/// A set of transfers with their connections.
///
/// `@unchecked`: curl allows `wakeup` from any thread; everything else is called by the event loop's thread alone.
final class CurlMulti: @unchecked Sendable {
    /// Loads libcurl, and prepares OpenSSL too, which takes some milliseconds: only once something is to be fetched.
    /// Returns why that is not possible.
    static func load() -> String? { ccurl_load().map { String(cString: $0) } }

    private let handle: UnsafeMutableRawPointer

    /// Only after `load` has succeeded.
    init(limits: ConnectionLimits) {
        guard let handle = ccurl_multi_init() else { preconditionFailure("no memory for curl's event loop") }
        self.handle = handle
        ccurl_multi_set_long(handle, CURLMOPT_MAXCONNECTS, limits.total)
        ccurl_multi_set_long(handle, CURLMOPT_MAX_TOTAL_CONNECTIONS, limits.total)
        ccurl_multi_set_long(handle, CURLMOPT_MAX_HOST_CONNECTIONS, limits.perServer)
    }

    deinit { ccurl_multi_cleanup(handle) }

    func add(_ easy: CurlEasy) -> Bool { ccurl_multi_add_handle(handle, easy.handle) == CURLM_OK }

    /// A transfer that has not ended loses its connection.
    func remove(_ easy: CurlEasy) { ccurl_multi_remove_handle(handle, easy.handle) }

    /// Does what can be done without waiting.
    func perform() {
        var running: Int32 = 0
        ccurl_multi_perform(handle, &running)
    }

    /// The next transfer that has ended.
    func nextFinished() -> (easy: CurlEasy, result: CurlResult)? {
        var code = CURLE_OK
        guard let finished = ccurl_next_finished(handle, &code),
            let easy = CurlEasy.of(ccurl_get_pointer(finished, CURLINFO_PRIVATE))
        else { return nil }
        return (easy, CurlResult(code: code))
    }

    /// Waits until something can be done, or somebody calls `wakeup`.
    func wait() { ccurl_multi_poll(handle, 60_000) }

    /// Ends the wait that is, or the next one.
    func wakeup() { ccurl_multi_wakeup(handle) }
}

extension Duration {
    /// Rounded up, between one, for zero would mean no limit, and the most that curl takes.
    fileprivate var wholeMilliseconds: Int {
        let (seconds, attoseconds) = components
        let most = Int64(Int32.max)
        let milliseconds =
            min(seconds, most / 1000) * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int(min(max(1, milliseconds), most))
    }
}
