import CVMFS
import Glibc
import LocalServers
import RepositoryMaker

/// A shell and a few programs of this machine, with the libraries that they need: what an image of tests runs.
enum HostPrograms {
    private static let programs = ["/bin/sh", "/bin/cat", "/bin/ls"]

    /// The files: each program, and what `ldd` says that it loads.
    static let files: [(path: String, content: [UInt8])] = {
        guard let folder = try? TemporaryFolder("ldd") else { return [] }
        let log = folder.path + "/log"
        guard (try? runToEnd("/usr/bin/ldd", programs, log: log)) != nil, let said = readFile(log) else { return [] }
        let words = String(decoding: said, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        // Programs come as "/bin/sh:", libraries as they are.
        let libraries = Set(words.filter { $0.hasPrefix("/") && !$0.hasSuffix(":") }.map(String.init))
        return (programs + libraries.sorted()).compactMap { path in readFile(path).map { (path, $0) } }
    }()

    /// Adds them to a repository, below a folder.
    static func add(to maker: inout RepositoryMaker, at root: String) throws {
        for (path, content) in files { try maker.file("\(root)\(path)", content, mode: 0o755) }
        for folder in ["/dev", "/proc", "/sys", "/etc", "/out", "/tmp"] { maker.directory("\(root)\(folder)") }
    }
}

extension RepositoryMaker {
    fileprivate mutating func file(_ path: String, _ content: [UInt8], mode: UInt32) throws {
        try file(RepositoryPath(path), content, mode: mode)
    }

    fileprivate mutating func directory(_ path: String) { directory(RepositoryPath(path)) }
}
