import CASCore
import Foundation
import Glibc
import RepositoryMaker

/// Real files of this machine, since made-up content deflates like nothing that anybody publishes.
enum HostFiles {
    private static let sources = ["/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/share", "/usr/include"]
    /// The mixed set: programs and libraries, in all.
    private static let mixedBytes = 96 << 20
    private static let mixedLargest = 6 << 20
    /// The small set: what most files of an image are.
    private static let smallFiles = 4000
    private static let smallSizes = 256...16384

    /// Adds `/mixed` and `/small`.
    static func add(to maker: inout RepositoryMaker) throws {
        var mixed = 0
        var small = 0
        // What is there twice would be one object, and fetched once.
        var seen: Set<ContentHash> = []
        for source in sources {
            var mixedHere = 0
            var smallHere = 0
            for path in paths(below: source) {
                let takesMixed = mixedHere < mixedBytes / sources.count && mixed < mixedBytes
                let takesSmall = smallHere < smallFiles / 2 && small < smallFiles
                guard takesMixed || takesSmall else { break }
                var status = stat()
                guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0,
                    status.st_size <= mixedLargest
                else { continue }
                let size = Int(status.st_size)
                guard takesMixed || smallSizes.contains(size), let content = contents(of: path),
                    seen.insert(ContentHash(hashing: content.span.bytes, with: .sha1)).inserted
                else { continue }
                // Every other small one goes to the mixed set, until that has enough.
                if takesSmall, smallSizes.contains(size), !takesMixed || (small + mixed) & 1 == 0 {
                    try maker.file(RepositoryPath("/small" + path), content)
                    small += 1
                    smallHere += 1
                } else if takesMixed {
                    try maker.file(RepositoryPath("/mixed" + path), content)
                    mixed += size
                    mixedHere += size
                }
            }
        }
        print("  \(small) small files, and \(mixed >> 20) MiB of all sizes")
    }

    private static func paths(below folder: String) -> [String] {
        guard let names = FileManager.default.enumerator(atPath: folder) else { return [] }
        return names.compactMap { $0 as? String }.sorted().map { "\(folder)/\($0)" }
    }

    private static func contents(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
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
