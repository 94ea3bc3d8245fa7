/// What an nginx of ours is to do.
package struct NginxConfiguration: Sendable {
    package enum TLS: Sendable {
        case off
        /// HTTPS on a port of its own, beside plain HTTP.
        case http1
        case http2
    }

    /// Served folders by the path they appear at: `["/cvmfs/demo.example.org": "/srv/demo"]`.
    package var folders: [String: String]
    package var tls: TLS = .off
    /// More directives for the `server` block.
    package var directives: String = ""

    package init(serving folders: [String: String], tls: TLS = .off, directives: String = "") {
        self.folders = folders
        self.tls = tls
        self.directives = directives
    }

    /// One worker, so that one request's log line is written before a later connection is answered.
    func text(in folder: String, port: UInt16, securePort: UInt16, hasIPv6: Bool, isRoot: Bool) -> String {
        var listen = Self.listen(port, "", hasIPv6)
        if tls != .off {
            listen += Self.listen(securePort, tls == .http2 ? " ssl http2" : " ssl", hasIPv6)
            listen += "ssl_certificate \(folder)/certificate.pem;\nssl_certificate_key \(folder)/key.pem;\n"
        }
        let locations = folders.sorted { $0.key < $1.key }.map { path, source in
            """
            location ^~ "\(path)/" { alias "\(source)/"; expires 61s; }
            location ^~ "\(path)/data/" { alias "\(source)/data/"; expires 3d; }
            """
        }
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
            "\($0)_temp_path \(folder)/temporary;"
        }
        return """
            \(isRoot ? "user root;" : "")
            daemon off;
            worker_processes 1;
            pid \(folder)/nginx.pid;
            error_log \(folder)/error.log warn;
            events { worker_connections 1024; }
            http {
                \(temporary.joined(separator: "\n"))
                default_type application/octet-stream;
                sendfile on;
                tcp_nopush on;
                keepalive_requests 10000000;
                keepalive_timeout 1h;
                http2_max_concurrent_streams 128;
                log_format fields '$connection\\t$request_method\\t$request_uri\\t$server_protocol\\t$status\\t'
                    '$body_bytes_sent\\t$http_user_agent\\t$http_range\\t$http_pragma\\t$http_cache_control';
                access_log \(folder)/access.log fields;
                server {
                    \(listen)
                    location = /.fence { access_log off; return 204; }
                    \(locations.joined(separator: "\n"))
                    \(directives)
                }
            }

            """
    }

    private static func listen(_ port: UInt16, _ options: String, _ hasIPv6: Bool) -> String {
        "listen 127.0.0.1:\(port)\(options);\n"
            + (hasIPv6 ? "listen [::1]:\(port)\(options) ipv6only=on;\n" : "")
    }
}
