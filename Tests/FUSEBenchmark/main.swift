// How much processor time a request costs its server: FUSEBenchmark [COUNT [ring]]. As root; in a release build.
// `ring`: over io_uring, if the parameter fuse.enable_uring is on.
//
// A child process makes the requests, so that what is counted here is the server alone: its own time (target: below 5 µs),
// and the kernel's on its behalf, which no server can avoid.
import FUSE
import Glibc
import MemoryFiles

let arguments = CommandLine.arguments
let count = arguments.count > 1 ? Int(arguments[1]) ?? 100_000 : 100_000
if arguments.count == 4 {
    Load.run(arguments[2], at: arguments[3], count: count)
    exit(0)
}

var template = Array("/tmp/fuse-benchmark-XXXXXX".utf8CString)
mkdtemp(&template)
let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
let mountpoint = folder + "/mount"
let device = folder + "/device"
mkdir(mountpoint, 0o755)
mknod(device, S_IFCHR | 0o600, 10 << 8 | 229)
defer {
    rmdir(mountpoint)
    unlink(device)
    rmdir(folder)
}

/// Mounts, lets a child make requests, and prints what they cost here.
func measure(
    _ name: String, _ load: String, validity: Validity, kinds: [Int], per units: Int? = nil
) async throws {
    let files = MemoryFiles(validity: validity)
    files.add("file", .bytes([UInt8](repeating: 7, count: 1 << 20)))
    if load == "list" { for index in 0..<count { files.add("entry number \(index)", .bytes([])) } }
    let features = Options.features.subtracting(load == "list" ? .readDirectoryPlusAuto : [])
    let session = try Session.mount(
        files, at: mountpoint, options: MountOptions(source: "benchmark", device: device),
        wishes: Wishes(features: features))
    var (before, after) = (rusage(), rusage())
    // RUSAGE_SELF
    getrusage(0, &before)
    let began = now()
    let child = try spawn([arguments[0], "\(count)", load, mountpoint])
    while waitpid(child, nil, 0) < 0, errno == EINTR {}
    let ended = now()
    getrusage(0, &after)
    let requests = kinds.reduce(0) { $0 + Int(session.requests(ofKind: $1)) }
    try session.unmount()
    await session.ended()
    let units = units ?? max(requests, 1)
    let own = (nanoseconds(after.ru_utime) - nanoseconds(before.ru_utime)) / units
    let kernel = (nanoseconds(after.ru_stime) - nanoseconds(before.ru_stime)) / units
    print(
        "\(name): \(own) ns own, \(kernel) ns of the kernel, \((ended - began) / units) ns until the next; \(requests) requests"
    )
}

func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

func nanoseconds(_ time: timeval) -> Int { time.tv_sec * 1_000_000_000 + Int(time.tv_usec) * 1000 }

func spawn(_ words: [String]) throws -> pid_t {
    let copies = words.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    var child: pid_t = 0
    let error = posix_spawn(&child, "/proc/self/exe", nil, nil, copies + [nil], environ)
    guard error == 0 else { throw FUSEError(.systemCall, "no child: errno \(error)") }
    return child
}

if arguments.count == 3, arguments[2] == "ring" { Options.features = Features.usual.union(.overIOUring) }

try await measure("LOOKUP, and GETATTR", "lookup", validity: .none, kinds: [1, 3])
try await measure("LOOKUP of what is not there", "absent", validity: .none, kinds: [1])
try await measure("READ of 4 KiB", "read4", validity: .forever, kinds: [15])
try await measure("READ of 128 KiB", "read128", validity: .forever, kinds: [15])
try await measure("an entry of READDIRPLUS", "list", validity: .forever, kinds: [44], per: count)

/// What is asked of the kernel: usual, or io_uring too.
enum Options {
    nonisolated(unsafe) static var features = Features.usual
}

/// What the child does.
enum Load {
    static func run(_ kind: String, at path: String, count: Int) {
        switch kind {
        case "lookup":
            var status = stat()
            for _ in 0..<count { stat(path + "/file", &status) }
        case "absent":
            for _ in 0..<count { access(path + "/absent", R_OK) }
        case "list":
            guard let folder = opendir(path) else { return }
            while readdir(folder) != nil {}
            closedir(folder)
        default:
            // O_DIRECT: past the page cache, so that each asks.
            let file = open(path + "/file", O_RDONLY | 0o40000)
            let size = kind == "read4" ? 4096 : 128 << 10
            let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 4096)
            for index in 0..<count { pread(file, buffer, size, (index % 8) * size) }
        }
    }
}
