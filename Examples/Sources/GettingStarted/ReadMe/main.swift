import CVMFS

let repository = try await Repository.open(
    "images.example.org", from: ["http://s1.example.org/cvmfs/@fqrn@"],
    trusting: .masterKeys(in: "/etc/cvmfs/keys/example.org"),
    cache: DiskStore(at: "/var/cache/cvmfs", limit: .gibibytes(4)))
let snapshot = try await repository.snapshot(.newest)
let text = try await snapshot.file("/ubuntu/etc/os-release").readAll()
for try await entry in snapshot.list("/ubuntu/usr/bin") { print(entry.name, entry.size) }
