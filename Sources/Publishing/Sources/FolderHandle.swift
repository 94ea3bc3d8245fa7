internal import CASCore
internal import CPlatform
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// An open folder of a source.
final class FolderHandle: Sendable {
    let descriptor: Int32
    /// What messages call it.
    let label: String

    /// Takes over a descriptor.
    init(descriptor: Int32, label: String) {
        self.descriptor = descriptor
        self.label = label
    }

    deinit { cplatform_close(descriptor) }

    /// Opens a folder in this one; a symlink is not followed.
    func folder(_ name: FileName) throws(PublishingError) -> FolderHandle {
        let opened = name.withCString { cplatform_open_source_folder(descriptor, $0) }
        guard opened >= 0 else { throw failure(opened, name, "cannot be opened") }
        return FolderHandle(descriptor: opened, label: "\(label)/\(name)")
    }

    /// What the file system says of an entry; of the folder itself when the name is empty.
    func status(_ name: FileName) throws(PublishingError) -> cplatform_entry {
        var entry = cplatform_entry()
        let result = name.withCString { cplatform_entry_at(descriptor, $0, &entry) }
        guard result >= 0 else { throw failure(result, name, "cannot be looked at") }
        return entry
    }

    /// The target of a symlink.
    func target(_ name: FileName) throws(PublishingError) -> [UInt8] {
        var length: Int64 = 0
        let target = [UInt8](unsafeUninitializedCapacity: SourceLimits.targetBytes + 1) { buffer, count in
            length = name.withCString { cplatform_read_link(descriptor, $0, buffer.baseAddress, Int64(buffer.count)) }
            count = max(0, Int(length))
        }
        guard length >= 0 else { throw failure(Int32(length), name, "has a target that cannot be read") }
        guard length <= SourceLimits.targetBytes else {
            throw PublishingError(
                .unsupported, "\(label)/\(name): has a target of more than \(SourceLimits.targetBytes) bytes")
        }
        return target
    }

    /// The names of the folder's entries, sorted by bytes.
    func names() throws(PublishingError) -> FolderNames {
        var listing: OpaquePointer?
        let result = cplatform_listing_open(descriptor, ".", &listing)
        guard result >= 0, let listing else { throw failure(result, nil, "cannot be listed") }
        defer { cplatform_listing_close(listing) }
        var names = FolderNames()
        while true {
            var name: UnsafePointer<CChar>?
            let result = cplatform_listing_next(listing, &name)
            guard result >= 0 else { throw failure(result, nil, "cannot be listed") }
            guard result > 0, let name else { break }
            guard names.append(name) else {
                throw PublishingError(
                    .unsupported, "\(label): has more names than \(SourceLimits.namesBytes) bytes of memory hold")
            }
        }
        names.sort()
        return names
    }

    func failure(_ result: Int32, _ name: FileName?, _ what: String) -> PublishingError {
        let path = name.map { $0.bytes.isEmpty ? label : "\(label)/\($0)" } ?? label
        let error = Errno(rawValue: -result)
        let isGone = error == .noSuchFileOrDirectory || error == .notDirectory || error == .tooManySymbolicLinkLevels
        return PublishingError(isGone ? .changed : .source, "\(path): \(what)", cause: error)
    }
}

/// The names of a folder, close together: a folder may have a million of them.
struct FolderNames {
    private var bytes: [UInt8] = []
    private var starts: [UInt32] = []

    var count: Int { starts.count }

    subscript(index: Int) -> FileName {
        let start = Int(starts[index])
        let end = bytes[start...].firstIndex(of: 0) ?? bytes.count
        return FileName(bytes: Array(bytes[start..<end]))
    }

    /// - Returns: whether there was room for it.
    mutating func append(_ name: UnsafePointer<CChar>) -> Bool {
        let length = strlen(name)
        guard bytes.count + length + 1 <= SourceLimits.namesBytes else { return false }
        starts.append(UInt32(bytes.count))
        name.withMemoryRebound(to: UInt8.self, capacity: length + 1) {
            bytes.append(contentsOf: UnsafeBufferPointer(start: $0, count: length + 1))
        }
        return true
    }

    mutating func sort() {
        bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) else { return }
            // By bytes as unsigned numbers; none of them has a NUL but at its end.
            starts.sort { strcmp(base + Int($0), base + Int($1)) < 0 }
        }
    }
}

extension FileName {
    /// Calls `body` with the name and a NUL behind it.
    func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        // No name of a file system is longer; one from elsewhere is, and then takes the slower way.
        withUnsafeTemporaryAllocation(byteCount: bytes.count + 1, alignment: 1) { buffer in
            bytes.withUnsafeBytes { buffer.copyMemory(from: $0) }
            buffer[bytes.count] = 0
            return buffer.withMemoryRebound(to: CChar.self) { text in
                guard let start = text.baseAddress else { fatalError("unreachable: at least one byte") }
                return body(start)
            }
        }
    }
}
