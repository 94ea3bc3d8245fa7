package import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// Small local files, read and replaced whole. Blocks, so it is called from the pool.
package enum LocalFile {
    /// The content of a file of at most `limit` bytes; `nil` when there is none.
    package static func read(_ path: FilePath, limit: Int) throws -> [UInt8]? {
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
        } catch Errno.noSuchFileOrDirectory { return nil }
        return try file.closeAfter {
            var content: [UInt8] = []
            while content.count <= limit {
                let piece = try [UInt8](unsafeUninitializedCapacity: 16 << 10) { buffer, count in
                    count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
                if piece.isEmpty { return content }
                content += piece
            }
            throw Errno.fileTooLarge
        }
    }

    /// Puts a file in place by renaming, so that a reader sees the old content or the new, also after a crash.
    package static func replace(_ path: FilePath, with content: [UInt8], mode: FilePermissions = .ownerReadWrite) throws
    {
        var temporary = path
        temporary.removeLastComponent()
        let name = path.lastComponent?.string ?? "file"
        temporary.append(".\(name).\(getpid()).\(UInt32.random(in: 0 ... .max))")
        let file = try FileDescriptor.open(
            temporary, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec, .noFollow], permissions: mode)
        do {
            try file.closeAfter {
                try file.writeAll(content)
                guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
            try temporary.withPlatformString { from in
                try path.withPlatformString { to in
                    guard rename(from, to) == 0 else { throw Errno(rawValue: errno) }
                }
            }
        } catch {
            _ = temporary.withPlatformString { unlink($0) }
            throw error
        }
    }

    static func isReadable(_ path: FilePath) -> Bool { path.withPlatformString { access($0, R_OK) } == 0 }

    /// The names in a folder, without `.` and `..`, sorted; `nil` when the path is no folder.
    package static func names(in folder: FilePath) throws -> [String]? {
        guard let stream = folder.withPlatformString({ opendir($0) }) else {
            if errno == ENOTDIR { return nil }
            throw Errno(rawValue: errno)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { buffer in
                String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
