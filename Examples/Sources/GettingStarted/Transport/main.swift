import CASCore
import Transport

let server = CommandLine.arguments[1]

let single = try FailoverTransport(servers: [server], repository: "tiny.example.org")
let sink = MemorySink(limit: 64 << 10)
let receipt = try await single.fetch(TransferRequest(".cvmfspublished", limit: 64 << 10), into: sink)
print("\(sink.bytes.count) bytes in \(receipt.requests) request")

do {
    _ = try await single.fetch(TransferRequest("data/00/nothing", limit: 1000), into: sink)
} catch let error as TransportError where error.code == .notFound {
    print("not found, as expected")
}

do {
    _ = try await single.fetch(TransferRequest(".cvmfspublished", limit: 10), into: sink)
} catch let error as TransportError where error.code == .tooLong {
    print("never more than was asked for")
}

var options = HTTPOptions(proxy: .direct)
options.directTimeout = .seconds(5)
var policy = RetryPolicy()
policy.maxRetries = 0
let several = try FailoverTransport(
    servers: ["http://127.0.0.1:1/cvmfs/@fqrn@", server], repository: "tiny.example.org", options: options,
    policy: policy)
let second = try await several.fetch(TransferRequest(".cvmfspublished", limit: 64 << 10), into: sink)
print("the second server delivers, after \(second.requests) requests")
