import Glibc
import Synchronization

/// Many threads that open, read and close files, and compare what they read with what they should.
final class Stress: Sendable {
    private let root: [UInt8]
    private let files: [(digest: String, path: [UInt8])]
    private let count: Int
    private let threads: Int
    private let end: String?
    private let done = Atomic<Int>(0)
    private let failures = Atomic<Int>(0)

    /// - Parameter end: a file; when it is there, and `count` files were read, it is over.
    init(root: String, count: Int, threads: Int, end: String?) {
        self.end = end
        self.root = Array(root.utf8)
        self.count = count
        self.threads = threads
        var files: [(String, [UInt8])] = []
        while let line = readLine() {
            if line.isEmpty { break }
            let words = line.split(separator: " ")
            if words.count == 2 { files.append((String(words[0]), bytes(hex: words[1]))) }
        }
        self.files = files
    }

    /// - Returns: whether nothing failed.
    func run() -> Bool {
        guard !files.isEmpty else { return false }
        var all: [pthread_t] = []
        for _ in 0..<threads {
            var thread = pthread_t()
            let context = Unmanaged.passRetained(self).toOpaque()
            pthread_create(
                &thread, nil,
                { context in
                    Unmanaged<Stress>.fromOpaque(context!).takeRetainedValue().work()
                    return nil
                }, context)
            all.append(thread)
        }
        for thread in all { pthread_join(thread, nil) }
        print("done \(done.load(ordering: .relaxed)) failed \(failures.load(ordering: .relaxed))")
        return failures.load(ordering: .relaxed) == 0
    }

    private func work() {
        while true {
            let number = done.wrappingAdd(1, ordering: .relaxed).oldValue
            if number >= count, end.map({ access($0, F_OK) == 0 }) ?? true { return }
            let (expected, path) = files[Int(truncatingIfNeeded: UInt(bitPattern: number) &* 7919) % files.count]
            let whole = (root + path).text
            // Something that must not be there, a listing, and the file.
            var status = stat()
            if number % 16 == 3, lstat((root + path + Array(".absent".utf8)).text, &status) == 0 || errno != ENOENT {
                complain("lstat of what is absent", path)
            }
            if number % 16 == 7 {
                if let folder = opendir(root.text) {
                    errno = 0
                    while readdir(folder) != nil {}
                    if errno != 0 { complain("readdir", path) }
                    closedir(folder)
                } else {
                    complain("opendir", path)
                }
            }
            let file = open(whole, O_RDONLY)
            guard file >= 0 else {
                complain("open", path)
                continue
            }
            defer { close(file) }
            // What the page cache has is read by the kernel; the mount itself is to be asked now and then.
            if number % 4 == 0 { posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) }
            guard let found = digest(of: file) else {
                complain("read", path)
                continue
            }
            if found != expected { complain("wrong bytes \(found) of", path) }
        }
    }

    private func complain(_ what: String, _ path: [UInt8]) {
        let error = errno
        if failures.wrappingAdd(1, ordering: .relaxed).oldValue < 20 { print("FAILED", what, error, hex(path)) }
    }
}
