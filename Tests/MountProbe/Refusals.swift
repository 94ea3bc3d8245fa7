import CKernelCalls
import Glibc

/// What a file system that is only read must say to every attempt to change it, and to calls that make no sense.
struct Refusals {
    let root: String

    func print() {
        let (file, folder, link) = (root + "/file", root + "/folder", root + "/link")
        let fresh = root + "/fresh"
        attempt("open for writing") { open(file, O_WRONLY) }
        attempt("open for both") { open(file, O_RDWR) }
        attempt("open to truncate") { open(file, O_RDONLY | O_TRUNC) }
        attempt("create") { open(fresh, O_CREAT | O_WRONLY, 0o644) }
        attempt("create what is there, exclusively") { open(file, O_CREAT | O_EXCL | O_RDONLY, 0o644) }
        attempt("mkdir") { mkdir(fresh, 0o755) }
        attempt("mkdir of what is there") { mkdir(folder, 0o755) }
        attempt("rmdir") { rmdir(folder) }
        attempt("unlink") { unlink(file) }
        attempt("rename") { rename(file, fresh) }
        attempt("link") { Glibc.link(file, fresh) }
        attempt("symlink") { symlink("x", fresh) }
        attempt("mkfifo") { mkfifo(fresh, 0o644) }
        attempt("chmod") { chmod(file, 0o600) }
        attempt("chown") { chown(file, 1, 1) }
        attempt("lchown of a symlink") { lchown(link, 1, 1) }
        attempt("truncate") { truncate(file, 0) }
        attempt("utimes") { utimes(file, nil) }
        attempt("setxattr") { setxattr(file, "user.x", "1", 1, 0) }
        attempt("removexattr") { removexattr(file, "user.x") }
        attempt("stat of what is absent") {
            var status = stat(); return stat(fresh, &status)
        }
        attempt("stat below a file") {
            var status = stat(); return stat(file + "/x", &status)
        }
        attempt("stat of a name of 256 bytes") {
            var status = stat()
            return stat(root + "/" + String(repeating: "x", count: 256), &status)
        }
        attempt("stat of a name of 255 bytes") {
            var status = stat()
            return stat(root + "/" + String(repeating: "x", count: 255), &status)
        }
        attempt("open of a symlink itself") { open(link, O_RDONLY | O_NOFOLLOW) }
        attempt("open of a loop") { open(root + "/loop", O_RDONLY) }
        attempt("open of a folder for writing") { open(folder, O_WRONLY) }
        attempt("open of a file as a folder") { open(file, O_RDONLY | O_DIRECTORY) }
        attempt("readlink of a file") {
            var buffer = [CChar](repeating: 0, count: 16)
            return Int32(readlink(file, &buffer, buffer.count))
        }
        attempt("read of a folder") {
            let descriptor = open(folder, O_RDONLY)
            defer { close(descriptor) }
            var byte: UInt8 = 0
            return Int32(read(descriptor, &byte, 1))
        }
        attempt("getxattr of what is absent") { Int32(getxattr(file, "user.absent", nil, 0)) }
        attempt("getxattr into too little room") {
            var byte: UInt8 = 0
            return Int32(getxattr(root, "user.fqrn", &byte, 1))
        }
        attempt("access for writing") { access(file, W_OK) }
        attempt("access for reading") { access(file, R_OK) }
        attempt("read behind the end") {
            let descriptor = open(file, O_RDONLY)
            defer { close(descriptor) }
            var byte: UInt8 = 0
            return Int32(pread(descriptor, &byte, 1, 1 << 40))
        }
    }

    private func attempt(_ what: String, _ body: () -> Int32) {
        errno = 0
        let result = body()
        let error = errno
        Swift.print("\(what): \(result >= 0 ? "done" : name(error))")
    }

    private func name(_ error: Int32) -> String {
        let names: [Int32: String] = [
            EROFS: "EROFS", ENOENT: "ENOENT", EEXIST: "EEXIST", ENOTDIR: "ENOTDIR", ENAMETOOLONG: "ENAMETOOLONG",
            EISDIR: "EISDIR", ELOOP: "ELOOP", EINVAL: "EINVAL", ENODATA: "ENODATA", ERANGE: "ERANGE", EACCES: "EACCES",
            EPERM: "EPERM", EIO: "EIO",
        ]
        return names[error] ?? "\(error)"
    }
}
