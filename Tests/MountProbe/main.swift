// Reads a mount as programs do, in a process of its own: `MountProbe list DIR`, `stress DIR COUNT THREADS [END]` (COUNT
// files at least, and until the file END is there) with lines
// of `SHA256 PATH` (paths in hexadecimal) on standard input, `refuse DIR`, `hold FILE` (opens, says so, and reads when
// it gets a line), `map FILE` (the digest of what is mapped, shared), `signals
// FILE` (reads in a thread that has handlers for signals).
import COpenSSL
import Glibc

let arguments = CommandLine.arguments
switch arguments.dropFirst().first {
case "list" where arguments.count == 3: exit(Listing(root: arguments[2]).print() ? 0 : 1)
case "stress" where arguments.count == 5 || arguments.count == 6:
    let stress = Stress(
        root: arguments[2], count: Int(arguments[3]) ?? 0, threads: Int(arguments[4]) ?? 1,
        end: arguments.dropFirst(5).first)
    exit(stress.run() ? 0 : 1)
case "refuse" where arguments.count == 3: Refusals(root: arguments[2]).print()
case "hold" where arguments.count == 3: hold(arguments[2])
case "map" where arguments.count == 3: map(arguments[2])
case "signals" where arguments.count == 3: SignalledReading(path: arguments[2]).run()
default: exit(64)
}
fflush(nil)

/// Opens a file, says `open`, and after a line on standard input prints the content's digest.
func hold(_ path: String) {
    let file = open(path, O_RDONLY)
    print(file >= 0 ? "open" : "failed \(errno)")
    fflush(nil)
    _ = readLine()
    print(digest(of: file) ?? "failed \(errno)")
}

func map(_ path: String) {
    let file = open(path, O_RDONLY)
    let count = lseek(file, 0, SEEK_END)
    guard file >= 0, count > 0, let memory = mmap(nil, Int(count), PROT_READ, MAP_SHARED, file, 0),
        memory != MAP_FAILED
    else { return print("failed \(errno)") }
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_Digest(memory, Int(count), &digest, nil, EVP_sha256(), nil)
    print(hex(digest))
}
