import CVMFS

let server = CommandLine.arguments[1]
let keys = FilePath(CommandLine.arguments[2])
let cache = try DiskStore(at: FilePath(CommandLine.arguments[3]), limit: .gibibytes(4))

let repository = try await Repository.open(
    "tiny.example.org", from: [server], trusting: .masterKeys(in: keys), cache: cache)
let snapshot = try await repository.snapshot()
print("revision \(snapshot.revision), root catalog \(snapshot.rootHash)")

for try await entry in snapshot.list("/") where entry.kind == .file {
    print(entry.name, entry.size, entry.isChunked ? "in chunks" : "whole")
}

let file = try await snapshot.file("/large1.bin")
let bytes = try await file.read(16, at: 20_000_000)
print("\(bytes.count) bytes of \(file.size) read; of the file's content the cache has: \(file.availability)")

let image = try await snapshot.image(at: "/d0")
let entry = try await image.entry(at: "../../d1/./d2")
print("the image's ../../d1/./d2 is \(entry.path)")

let tagged = try await repository.snapshot(.tag("trunk"))
print("tag trunk is revision \(tagged.revision)")

do {
    _ = try await snapshot.file("/absent")
} catch let error as CVMFSError where error.code == .noSuchEntry {
    print("absent, as expected")
}

if let reason = repository.offlineReason {
    print("no server answers, so this is what the cache remembers: \(reason)")
}
