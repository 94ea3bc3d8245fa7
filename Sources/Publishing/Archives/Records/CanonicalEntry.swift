package import CASCore
internal import CVMFS
internal import Catalog

/// An entry of a tree in the form in which trees are compared: what a repository keeps of it, and nothing that depends
/// on how it was stored.
package struct CanonicalEntry: Sendable, Hashable {
    /// From the root of the tree.
    package var path: RepositoryPath
    /// Kind and permissions.
    var mode: UInt32
    var uid: UInt32
    var gid: UInt32
    var mtime: Int64
    var mtimeNanoseconds: Int32
    var device: UInt64
    var target: [UInt8]
    /// As a catalog has them: those that the format can hold. Source: format 3, xattr.
    var xattrs: [UInt8]
    /// The first name of the same file in the same directory, by the order of bytes; mostly its own.
    var link: FileName
    /// Bytes of a file.
    var size: Int64

    /// What differs between two entries of one path, in words; `nil` when nothing does.
    func difference(from other: CanonicalEntry) -> String? {
        func pair(_ name: String, _ own: some CustomStringConvertible, _ others: some CustomStringConvertible) -> String
        {
            "\(name) \(own) instead of \(others)"
        }
        let octal = { (mode: UInt32) in String(mode, radix: 8) }
        if mode != other.mode { return pair("mode", octal(mode), octal(other.mode)) }
        if uid != other.uid || gid != other.gid { return pair("owner", "\(uid):\(gid)", "\(other.uid):\(other.gid)") }
        if mtime != other.mtime || mtimeNanoseconds != other.mtimeNanoseconds {
            return pair("time", "\(mtime) s \(mtimeNanoseconds) ns", "\(other.mtime) s \(other.mtimeNanoseconds) ns")
        }
        if device != other.device { return "another device number" }
        if target != other.target { return "another target" }
        if xattrs != other.xattrs { return "other extended attributes" }
        if link != other.link { return "other hard links" }
        if size != other.size { return pair("size", size, other.size) }
        return nil
    }
}

/// Makes canonical entries of those of a source or a snapshot, which come in the order of a walk.
struct CanonicalEntries {
    private struct File: Hashable {
        let directory: RepositoryPath
        let number: UInt64
    }

    /// The first names of files with several names.
    private var firstNames: [File: FileName] = [:]

    mutating func entry(_ entry: SourceEntry, size: Int64) -> CanonicalEntry {
        CanonicalEntry(
            path: entry.path, mode: entry.kind.rawValue | entry.permissions, uid: entry.uid, gid: entry.gid,
            mtime: entry.mtime, mtimeNanoseconds: entry.mtimeNanoseconds ?? 0, device: entry.device?.linux ?? 0,
            target: entry.target, xattrs: ExtendedAttributes.blob(of: entry.xattrs).stored ?? [],
            link: firstName(entry.path, entry.hardlink?.inode), size: size)
    }

    /// - Parameter path: of the entry, from the root of the tree.
    mutating func entry(_ entry: Entry, at path: RepositoryPath, xattrs: ExtendedAttributes) -> CanonicalEntry {
        CanonicalEntry(
            path: path, mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime,
            mtimeNanoseconds: entry.mtimeNanoseconds ?? 0, device: entry.device?.linux ?? 0,
            target: entry.attributes.target, xattrs: ExtendedAttributes.blob(of: xattrs.attributes).stored ?? [],
            link: firstName(path, entry.hardlinkGroup == 0 ? nil : UInt64(entry.hardlinkGroup)),
            size: entry.kind == .file ? entry.size : 0)
    }

    private mutating func firstName(_ path: RepositoryPath, _ number: UInt64?) -> FileName {
        guard let number, let directory = path.parent else { return path.name }
        let file = File(directory: directory, number: number)
        if let first = firstNames[file] { return first }
        firstNames[file] = path.name
        return path.name
    }
}
