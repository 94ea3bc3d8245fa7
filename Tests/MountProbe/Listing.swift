import CKernelCalls
import COpenSSL
import Glibc

/// Every entry of a tree with all its attributes and the digest of its content, one line each.
struct Listing {
    let root: String

    /// - Returns: whether all of it could be read.
    func print() -> Bool { show(Array(root.utf8), []) }

    private func show(_ path: [UInt8], _ name: [UInt8]) -> Bool {
        var status = stat()
        guard lstat(path.text, &status) == 0 else { return complain("lstat", path) }
        let kind = status.st_mode & S_IFMT
        var target: [UInt8] = []
        var content = "-"
        if kind == S_IFLNK {
            var buffer = [UInt8](repeating: 0, count: 4097)
            let count = readlink(path.text, &buffer, buffer.count)
            guard count >= 0 else { return complain("readlink", path) }
            target = Array(buffer[..<count])
        } else if kind == S_IFREG {
            let file = open(path.text, O_RDONLY)
            guard file >= 0, let found = digest(of: file) else { return complain("read", path) }
            close(file)
            content = found
        }
        guard let attributes = attributes(path) else { return complain("xattr", path) }
        Swift.print(
            hex(name), String(status.st_mode, radix: 8), status.st_uid, status.st_gid, status.st_size,
            status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_nlink, status.st_ino,
            status.st_rdev >> 8 & 0xFFF, status.st_rdev & 0xFF | status.st_rdev >> 12 & ~0xFF, hex(target), content,
            attributes)
        guard kind == S_IFDIR else { return true }
        guard let folder = opendir(path.text) else { return complain("opendir", path) }
        defer { closedir(folder) }
        var names: [[UInt8]] = []
        errno = 0
        while let entry = readdir(folder) {
            let length = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { strlen($0) }
            }
            let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix(length)) }
            if bytes != [0x2E] && bytes != [0x2E, 0x2E] { names.append(bytes) }
        }
        guard errno == 0 else { return complain("readdir", path) }
        var isWhole = true
        for child in names {
            isWhole = show(path + [0x2F] + child, name + [0x2F] + child) && isWhole
        }
        return isWhole
    }

    private func attributes(_ path: [UInt8]) -> String? {
        var names = [CChar](repeating: 0, count: 1 << 16)
        let count = llistxattr(path.text, &names, names.count)
        guard count >= 0 else { return nil }
        let list = names[..<count].split(separator: 0).map { $0.map { UInt8(bitPattern: $0) } }
        var pairs: [String] = []
        for name in list.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            var value = [UInt8](repeating: 0, count: 1 << 16)
            let size = lgetxattr(path.text, name.text, &value, value.count)
            guard size >= 0 else { return nil }
            pairs.append("\(hex(name))=\(hex(Array(value[..<size])))")
        }
        return pairs.isEmpty ? "-" : pairs.joined(separator: ",")
    }

    private func complain(_ what: String, _ path: [UInt8]) -> Bool {
        Swift.print("FAILED", what, errno, hex(path))
        return false
    }
}

/// SHA-256 of what a descriptor gives from its beginning on.
func digest(of file: Int32) -> String? {
    guard let context = EVP_MD_CTX_new() else { return nil }
    defer { EVP_MD_CTX_free(context) }
    EVP_DigestInit_ex(context, EVP_sha256(), nil)
    var piece = [UInt8](repeating: 0, count: 128 << 10)
    var offset: off_t = 0
    while true {
        let count = pread(file, &piece, piece.count, offset)
        if count < 0 { return nil }
        if count == 0 { break }
        EVP_DigestUpdate(context, piece, count)
        offset += off_t(count)
    }
    var bytes = [UInt8](repeating: 0, count: 32)
    EVP_DigestFinal_ex(context, &bytes, nil)
    return hex(bytes)
}

/// Two digits a byte; `-` for none.
func hex(_ bytes: [UInt8]) -> String {
    if bytes.isEmpty { return "-" }
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

func bytes(hex text: Substring) -> [UInt8] {
    if text == "-" { return [] }
    let digits = Array(text.utf8)
    return stride(from: 0, to: digits.count - 1, by: 2).map { index in
        UInt8(String(decoding: digits[index...(index + 1)], as: UTF8.self), radix: 16) ?? 0
    }
}

extension [UInt8] {
    var text: [CChar] { map { CChar(bitPattern: $0) } + [0] }
}
