import CASCore
import Foundation
import Glibc
import RepositoryMaker

/// Real files of this machine, since made-up content deflates like nothing that anybody publishes.
enum HostFiles {
    /// Where the small ones come from.
    private static let sources = ["/usr/share", "/usr/include", "/usr/lib"]
    private static let smallFiles = 4000
    private static let smallSizes = 256...16384
    /// Above, files would be in chunks.
    private static let largest = 16 << 20

    /// Adds `/image`, the files of Debian's minimal system, and `/small`, what most files of an image are.
    static func add(to maker: inout RepositoryMaker) throws {
        // What is there twice would be one object, and fetched once.
        var seen: Set<ContentHash> = []
        var bytes = 0
        var files = 0
        for path in minimalSystem() {
            guard let content = contents(of: path, 1...largest), isNew(content, &seen) else { continue }
            try maker.file(RepositoryPath("/image" + path), content)
            bytes += content.count
            files += 1
        }
        print("  \(files) files of an image, \(bytes >> 20) MiB")
        var small = 0
        for path in sources.lazy.flatMap(paths) where small < smallFiles {
            guard let content = contents(of: path, smallSizes), isNew(content, &seen) else { continue }
            try maker.file(RepositoryPath("/small" + path), content)
            small += 1
        }
        print("  \(small) small files")
    }

    /// The files of all packages that every Debian has, which is what debootstrap installs.
    private static func minimalSystem() -> [String] {
        let database = "/var/lib/dpkg"
        let status = contents(of: "\(database)/status", 1...(64 << 20)) ?? []
        var names: [String] = []
        for paragraph in String(decoding: status, as: UTF8.self).split(separator: "\n\n") {
            let lines = paragraph.split(separator: "\n")
            guard lines.contains("Priority: required") || lines.contains("Priority: important"),
                let name = lines.first(where: { $0.hasPrefix("Package: ") })
            else { continue }
            names.append(String(name.dropFirst("Package: ".count)))
        }
        let wanted = Set(names)
        let lists = (try? FileManager.default.contentsOfDirectory(atPath: "\(database)/info")) ?? []
        return lists.sorted().flatMap { list -> [String] in
            // NAME.list, or NAME:ARCHITECTURE.list.
            guard list.hasSuffix(".list"), let name = list.dropLast(".list".count).split(separator: ":").first,
                wanted.contains(String(name)), let text = contents(of: "\(database)/info/\(list)", 1...(64 << 20))
            else { return [] }
            return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
        }
    }

    private static func paths(below folder: String) -> [String] {
        guard let names = FileManager.default.enumerator(atPath: folder) else { return [] }
        return names.compactMap { $0 as? String }.sorted().map { "\(folder)/\($0)" }
    }

    private static func isNew(_ content: [UInt8], _ seen: inout Set<ContentHash>) -> Bool {
        seen.insert(ContentHash(hashing: content.span.bytes, with: .sha1)).inserted
    }

    /// The bytes of a regular file of such a size.
    private static func contents(of path: String, _ sizes: ClosedRange<Int>) -> [UInt8]? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, sizes.contains(Int(status.st_size)),
            let file = fopen(path, "r")
        else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            if count == 0 { return bytes }
            bytes += piece[..<count]
        }
    }
}
