import CVMFS
import CVMFSTesting
import Foundation

/// Puts the transport through the suite that ours go through, too.
///
/// In a package with tests it would be one parameterised test over `ObjectTransportConformance.Requirement.allCases`.
enum Conformance {
    static func check() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tar-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let conformance = ObjectTransportConformance { resources in
            let path = folder.appending(path: "\(UUID().uuidString).tar")
            try Data(tar(of: resources)).write(to: path)
            return try TarTransport(at: FilePath(path.path(percentEncoded: false)))
        }
        try await conformance.check()
    }

    /// What the transport is to serve, as a tar file.
    private static func tar(of resources: [String: [UInt8]]) -> [UInt8] {
        var tar: [UInt8] = []
        for (path, body) in resources {
            var header = [UInt8](repeating: 0, count: 512)
            header.replaceSubrange(0..<path.utf8.count, with: path.utf8)
            let size = String(body.count, radix: 8)
            header.replaceSubrange(124..<(124 + size.utf8.count), with: size.utf8)
            header[156] = UInt8(ascii: "0")
            tar += header + body + [UInt8](repeating: 0, count: (512 - body.count % 512) % 512)
        }
        return tar + [UInt8](repeating: 0, count: 1024)
    }
}
