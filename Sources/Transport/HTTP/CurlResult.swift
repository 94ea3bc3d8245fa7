import CCurl

/// How curl says that a transfer ended.
struct CurlResult {
    let code: CURLcode

    var isSuccess: Bool { code == CURLE_OK }

    /// The error for a transfer that did not deliver, by what arrived first: a status, else the transfer's failure.
    ///
    /// Source: format 5.1.
    func error(for exchange: HTTPExchange, status: Int, easy: CurlEasy) -> TransportError {
        let isProxied = exchange.settings.options.proxy != .direct
        let tunnel = easy.tunnelStatus
        if isProxied, status == 0, tunnel != 0, !(200..<300).contains(tunnel) {
            return Self.error(
                .proxyStatus, exchange.url, "the proxy refuses to connect (status \(tunnel))", status: tunnel)
        }
        // Whatever happened to the page of an error, its status is the news.
        if status >= 300, code != CURLE_TOO_MANY_REDIRECTS {
            return Self.error(forStatus: status, url: exchange.url, isProxied: isProxied)
        }
        let via = isProxied ? " through the proxy \(exchange.settings.options.proxy)" : ""
        let detail = easy.failureText.isEmpty ? "curl error \(code.rawValue)" : easy.failureText
        let (kind, text) = kindAndText(limit: exchange.limit)
        return Self.error(kind, exchange.url, "\(text)\(via) (\(detail))")
    }

    static func error(forStatus status: Int, url: String, isProxied: Bool) -> TransportError {
        switch status {
        case 404, 410:
            error(.notFound, url, "the server does not have it (status \(status))", status: status)
        case 301, 302, 303, 307, 308:
            error(
                .serverStatus, url, "the server redirects elsewhere (status \(status)), which is not followed",
                status: status)
        // What concerns the resource is the server's word, whoever passed it on.
        case 400, 416, 429, 500...:
            error(.serverStatus, url, "the server answers with status \(status)", status: status)
        default:
            isProxied
                ? error(.proxyStatus, url, "the proxy answers with status \(status)", status: status)
                : error(.serverStatus, url, "the server answers with status \(status)", status: status)
        }
    }

    private func kindAndText(limit: Int64) -> (TransportError.Code, String) {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST: (.hostNotResolved, "the host's name cannot be resolved")
        case CURLE_COULDNT_RESOLVE_PROXY: (.proxyNotResolved, "the proxy's name cannot be resolved")
        case CURLE_COULDNT_CONNECT, CURLE_PROXY: (.cannotConnect, "no connection can be made")
        case CURLE_OPERATION_TIMEDOUT: (.timeout, "no answer in time, or too slow for too long")
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_USE_SSL_FAILED, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CRL_BADFILE, CURLE_SSL_PINNEDPUBKEYNOTMATCH,
            CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT, CURLE_SSL_SHUTDOWN_FAILED:
            (.tlsFailed, "TLS fails")
        case CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED,
            CURLE_SSL_ENGINE_INITFAILED:
            (.invalidConfiguration, "TLS cannot be set up; look at the file of certificate authorities")
        case CURLE_URL_MALFORMAT: (.invalidConfiguration, "the URL is malformed")
        case CURLE_FILESIZE_EXCEEDED:
            (.tooLong, "the body is longer than the \(limit) bytes that are allowed")
        case CURLE_TOO_MANY_REDIRECTS:
            (.tooManyRedirects, "more than \(TransportLimits.redirections) redirections")
        case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_HTTP2,
            CURLE_HTTP2_STREAM, CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING:
            (.incompleteTransfer, "the connection broke before the response was complete")
        case CURLE_UNSUPPORTED_PROTOCOL:
            // Schemes are checked beforehand, so this is what curl says to a reply that is none of HTTP's.
            (.incompleteTransfer, "the reply is not HTTP")
        default: (.other, "the transfer failed")
        }
    }

    private static func error(
        _ code: TransportError.Code, _ url: String, _ text: String, status: Int? = nil
    ) -> TransportError {
        TransportError(code, "\(url): \(text)", status: status)
    }
}
