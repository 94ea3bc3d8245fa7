import CKernelCalls
import Glibc
import LocalServers
import SystemPackage

/// What the system says of one path; what a test compares with what was read from an archive of it.
struct FileFacts: Hashable {
    var mode: UInt32
    var uid: UInt32
    var gid: UInt32
    var mtime: Int64
    var mtimeNanoseconds: Int32
    var size: Int64 = 0
    var device: UInt64 = 0
    var target: [UInt8] = []
    var xattrs: [[UInt8]: [UInt8]] = [:]
    var content: [UInt8] = []
    /// The other names of the same file; not of directories.
    var links: Set<[UInt8]> = []
}

enum FolderFacts {
    /// Everything below a folder, by path; the folder itself is "".
    static func of(_ folder: String) throws -> [[UInt8]: FileFacts] {
        var facts: [[UInt8]: FileFacts] = [:]
        var inodes: [UInt64: Set<[UInt8]>] = [:]
        var owners: [[UInt8]: UInt64] = [:]
        var pending: [[UInt8]] = [[]]
        while let path = pending.popLast() {
            let full = Array(folder.utf8) + path
            let name = full.map { CChar(bitPattern: $0) } + [0]
            var status = stat()
            guard lstat(name, &status) == 0 else { throw Errno(rawValue: errno) }
            var file = FileFacts(
                mode: status.st_mode, uid: status.st_uid, gid: status.st_gid, mtime: Int64(status.st_mtim.tv_sec),
                mtimeNanoseconds: Int32(status.st_mtim.tv_nsec))
            file.xattrs = xattrs(of: name)
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                guard let listing = opendir(name) else { throw Errno(rawValue: errno) }
                defer { closedir(listing) }
                while let entry = readdir(listing) {
                    let entryName = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
                    if entryName == [0x2E] || entryName == [0x2E, 0x2E] { continue }
                    pending.append(path + [0x2F] + entryName)
                }
            case S_IFREG:
                file.size = Int64(status.st_size)
                file.content = readFile(full) ?? []
            case S_IFLNK:
                var target = [UInt8](repeating: 0, count: 4096)
                let count = target.withUnsafeMutableBytes { readlink(name, $0.baseAddress!, $0.count) }
                file.target = Array(target.prefix(max(0, count)))
            default: file.device = UInt64(status.st_rdev)
            }
            if status.st_mode & S_IFMT != S_IFDIR {
                inodes[UInt64(status.st_ino), default: []].insert(path)
                owners[path] = UInt64(status.st_ino)
            }
            facts[path] = file
        }
        for (path, inode) in owners { facts[path]?.links = (inodes[inode] ?? []).subtracting([path]) }
        return facts
    }

    private static func xattrs(of name: [CChar]) -> [[UInt8]: [UInt8]] {
        var list = [CChar](repeating: 0, count: 64 << 10)
        let length = kernel_xattr_names(name, &list, UInt(list.count))
        guard length > 0 else { return [:] }
        var found: [[UInt8]: [UInt8]] = [:]
        for key in list[..<length].split(separator: 0) {
            var value = [UInt8](repeating: 0, count: 64 << 10)
            let count = kernel_xattr(name, Array(key) + [0], &value, UInt(value.count))
            if count >= 0 { found[key.map { UInt8(bitPattern: $0) }] = Array(value.prefix(count)) }
        }
        return found
    }
}

/// Runs a shell's script, in which `$0` is the folder.
func shell(_ script: String, in folder: String) throws {
    try runToEnd(
        "/bin/bash", ["-c", "set -euo pipefail; umask 022; cd \"$0\"\n" + script, folder],
        log: "\(folder)/shell.log")
}
