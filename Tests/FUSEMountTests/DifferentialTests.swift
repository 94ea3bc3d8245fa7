import CVMFS
import FUSEMount
import FixtureTrees
import Foundation
import LocalServers
import Testing

/// A fixture's repository, mounted.
func mounted(
    _ fixture: FixtureRepository, _ options: [String] = [], cache: String, environment: [String: String] = [:]
) throws -> ServedMount {
    try ServedMount(
        "file://" + fixture.folder.path, ["--key", fixture.keyFile.path, "--cache", cache] + options,
        environment: environment)
}

extension MountTests {
    @Suite(.serialized) struct DifferentialTests {
        @Test(arguments: Fixtures.all)
        func `A mount is the tree that was published, in every attribute and every byte`(
            _ fixture: FixtureRepository
        ) throws {
            let cache = try TemporaryFolder("cache")
            let mount = try mounted(fixture, cache: cache.path + "/c")
            try compare(fixture, try mount.entries())
            // Again, from the kernel's caches; and once more by a worker that has taken over.
            try compare(fixture, try mount.entries())
            kill(try mount.status().process, SIGKILL)
            try compare(fixture, try mount.entries())
            let status = try mount.status()
            #expect(status.ioErrors == 0)
            #expect(status.kernel.waiting == 0)
        }

        private func compare(_ fixture: FixtureRepository, _ found: [ProbedEntry]) throws {
            let listing = try fixture.entries()
            var byPath: [[UInt8]: ProbedEntry] = [:]
            for entry in found { byPath[entry.path] = entry }
            #expect(byPath.count == found.count)
            var differences: [String] = []
            var groups: [Int: Set<UInt64>] = [:]
            for entry in listing {
                let path = entry.path
                guard let other = byPath.removeValue(forKey: path.bytes) else {
                    differences.append("\(path) is missing")
                    continue
                }
                func check<Value: Equatable>(_ what: String, _ left: Value, _ right: Value) {
                    if left != right { differences.append("\(path): \(what) is \(right) instead of \(left)") }
                }
                let kinds: [FixtureEntry.Kind: UInt32] = [
                    .file: 0o100000, .directory: 0o040000, .symlink: 0o120000, .fifo: 0o010000, .socket: 0o140000,
                    .character: 0o020000, .block: 0o060000,
                ]
                check("mode", (kinds[entry.kind] ?? 0) | UInt32(entry.mode), other.mode)
                check("uid", entry.uid, other.uid)
                check("gid", entry.gid, other.gid)
                if let mtime = entry.mtime { check("mtime", mtime, other.mtime) }
                if let nanoseconds = entry.mtimeNanoseconds, other.mtimeNanoseconds != 0 {
                    check("nanoseconds", nanoseconds, other.mtimeNanoseconds)
                }
                if entry.kind == .file {
                    check("size", entry.size ?? 0, other.size)
                    check("content", entry.sha256 ?? "", other.sha256 ?? "")
                }
                if let links = entry.linkCount { check("links", UInt32(links), other.links) }
                if let group = entry.linkGroup { groups[group, default: []].insert(other.inode) }
                if let device = entry.device { check("device", device, other.device) }
                if let target = entry.targetRaw, !target.contains(UInt8(ascii: "$")) {
                    check("target", target, other.target)
                    check("size", Int64(target.count), other.size)
                }
                for (name, value) in entry.xattrs { check("xattr \(name)", value, other.xattrs[name] ?? []) }
                if !path.isRoot { check("xattrs", entry.xattrs.count, other.xattrs.count) }
            }
            #expect(differences.isEmpty, "\(differences.prefix(20).joined(separator: "\n"))")
            // Nothing else is there, but markers of nested catalogs, and the images that were ingested later.
            let others = byPath.keys.map { String(decoding: $0, as: UTF8.self) }
                .filter { !$0.contains("/.cvmfs") && !$0.hasPrefix("/images") }
            #expect(others.isEmpty)
            for (group, inodes) in groups { #expect(inodes.count == 1, "hardlink group \(group) has inodes \(inodes)") }
        }
    }
}
