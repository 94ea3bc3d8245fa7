import CASCore
import CKernelCalls
import FixtureTrees
import Glibc
import LocalServers
import Testing

@testable import CVMFS

@Suite("Resolving paths inside an image")
struct PathResolutionTests {
    /// A small tree to resolve in: directories, symlinks, and files.
    private static let tree: [String: PathResolution.Found] = [
        "/usr": .directory, "/usr/bin": .directory, "/usr/bin/env": .other,
        "/bin": .symlink(target: Array("usr/bin".utf8)),
        "/abs": .symlink(target: Array("/usr".utf8)), "/up": .symlink(target: Array("../../..".utf8)),
        "/loop": .symlink(target: Array("loop".utf8)), "/dangling": .symlink(target: Array("nowhere".utf8)),
        "/usr/bin/sh": .symlink(target: Array("env".utf8)), "/file/": .other, "/file": .other,
        "/toslash": .symlink(target: Array("file/".utf8)),
    ]

    private func resolve(_ path: String, follow: Bool = true) -> String {
        var resolution = PathResolution(Array(path.utf8), followsLast: follow)
        while true {
            switch resolution.next() {
            case .lookUp(let step):
                guard let found = Self.tree[step.description] else { return "absent \(step)" }
                if let failure = resolution.found(found) { return "\(failure)" }
            case .resolved(let path): return path.description
            case .failed(let failure): return "\(failure)"
            }
        }
    }

    @Test(
        "symlinks are followed inside the root, and never lead outside",
        arguments: [
            ("/", "/"), ("", "/"), ("..", "/"), ("/../../usr", "/usr"), ("/bin/env", "/usr/bin/env"),
            ("bin/sh", "/usr/bin/env"), ("/abs/bin/env", "/usr/bin/env"), ("/up/usr", "/usr"), ("/up", "/"),
            ("/usr/./bin//env", "/usr/bin/env"), ("/bin/..", "/usr"), ("/dangling", "absent /nowhere"),
        ])
    func follows(path: String, expected: String) {
        #expect(resolve(path) == expected)
    }

    @Test("a symlink at the end is followed only on request, or when the path demands a directory")
    func lastSymlink() {
        #expect(resolve("/bin", follow: false) == "/bin")
        #expect(resolve("/bin/", follow: false) == "/usr/bin")
        #expect(resolve("/bin/.", follow: false) == "/usr/bin")
    }

    @Test("loops, and files where directories must be, fail")
    func failures() {
        #expect(resolve("/loop").hasPrefix("tooManySymlinks"))
        #expect(resolve("/usr/bin/env/x").hasPrefix("notADirectory"))
        #expect(resolve("/usr/bin/env/").hasPrefix("notADirectory"))
        #expect(resolve("/toslash").hasPrefix("notADirectory"))
    }

    @Test("random trees resolve as the kernel's openat2 with RESOLVE_IN_ROOT does")
    func likeTheKernel() throws {
        var random = SeededGenerator(for: "PathResolution")
        let folder = try TemporaryFolder("resolve")
        let names = ["a", "b", "c", "d"]
        let pieces = names + ["..", ".", "/", "a/", "/b", "../c"]
        func randomPath() -> String {
            (0..<Int.random(in: 1...5, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "a" }
                .joined(separator: "/")
        }
        for round in 0..<20 {
            let root = "\(folder.path)/\(round)"
            mkdir(root, 0o755)
            var directories = [root]
            for _ in 0..<30 {
                let parent = directories.randomElement(using: &random) ?? root
                let path = "\(parent)/\(names.randomElement(using: &random) ?? "a")"
                switch Int.random(in: 0..<3, using: &random) {
                case 0: if mkdir(path, 0o755) == 0 { directories.append(path) }
                case 1: symlink(randomPath(), path)
                default: close(open(path, O_CREAT | O_EXCL | O_WRONLY, 0o644))
                }
            }
            let descriptor = kernel_open_root(root)
            defer { close(descriptor) }
            for _ in 0..<200 {
                let path = randomPath()
                let follows = Bool.random(using: &random)
                let kernel = Self.kernelResolves(path, in: descriptor, root: root, follows: follows)
                let ours = Self.weResolve(path, in: root, follows: follows)
                #expect(ours == kernel, "\(path) in \(root)")
            }
        }
    }

    /// The path inside the root, or the name of the error.
    private static func kernelResolves(_ path: String, in root: Int32, root text: String, follows: Bool) -> String {
        let result = kernel_open_in_root(root, path, follows ? 1 : 0)
        guard result >= 0 else { return "errno \(-result)" }
        defer { close(result) }
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/fd/\(result)", &buffer, buffer.count)
        let full = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return full == text ? "/" : String(full.dropFirst(text.count))
    }

    private static func weResolve(_ path: String, in root: String, follows: Bool) -> String {
        var resolution = PathResolution(Array(path.utf8), followsLast: follows)
        while true {
            switch resolution.next() {
            case .lookUp(let step):
                var status = stat()
                guard lstat(root + step.description, &status) == 0 else { return "errno \(ENOENT)" }
                let found: PathResolution.Found
                switch status.st_mode & S_IFMT {
                case S_IFDIR: found = .directory
                case S_IFLNK:
                    var buffer = [CChar](repeating: 0, count: 4096)
                    let count = readlink(root + step.description, &buffer, buffer.count)
                    found = .symlink(target: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) })
                default: found = .other
                }
                if let failure = resolution.found(found) { return Self.errno(failure) }
            case .resolved(let path): return path.description
            case .failed(let failure): return Self.errno(failure)
            }
        }
    }

    private static func errno(_ failure: PathResolution.Failure) -> String {
        switch failure {
        case .notADirectory: "errno \(ENOTDIR)"
        case .tooManySymlinks: "errno \(ELOOP)"
        case .tooLong: "errno \(ENAMETOOLONG)"
        }
    }
}
