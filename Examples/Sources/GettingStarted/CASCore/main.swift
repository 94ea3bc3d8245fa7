import CASCore
import SystemPackage

let folder = FilePath(CommandLine.arguments[1])
let store = try DiskStore(at: folder, limit: .mebibytes(64))

let text = Array("Each object is named by the hash of its stored bytes.\n".utf8)
let id = ObjectID(ContentHash(hashing: text.span.bytes, with: .sha1), compression: .none)
print("servers keep it at \(id.serverPath)")

let object = try await store.object(id, size: .exactly(Int64(text.count))) { sink in
    // Whatever can produce the stored bytes is a source: a socket, a file, an ObjectTransport.
    try sink.restart(expectedLength: text.count)
    try sink.write(text.span.bytes)
    try sink.finish()
}
print("\(object.size) bytes are cached now, and \(try store.usage().objects) object")

let forged = Array("Not what the name stands for.\n".utf8)
let other = ObjectID(ContentHash(hashing: Array("Something else.\n".utf8).span.bytes, with: .sha1), compression: .none)
do {
    _ = try await store.object(other) { sink in
        try sink.restart(expectedLength: nil)
        try sink.write(forged.span.bytes)
        try sink.finish()
    }
} catch let error as CASError where error.isBadData {
    print("refused (\(error.code)), and visible to nobody: \(store.contains(other) == false)")
}

if let cached = try store.cached(id) {
    var buffer = [UInt8](repeating: 0, count: 6)
    let count = try buffer.withUnsafeMutableBytes { try cached.read(into: $0, at: 5) }
    print(String(decoding: buffer[..<count], as: UTF8.self))
    let size = try cached.withDescriptor { try $0.seek(offset: 0, from: .end) }
    print("its file has \(size) bytes")
}

let lease = try await store.lease([id, other], for: "getting started")
print("kept until the lease ends; \(lease.missing.count) of them has yet to come")
lease.end()

let report = try await store.verify()
print("\(report.objects) object checked, \(report.damagedObjects.count) damaged")
