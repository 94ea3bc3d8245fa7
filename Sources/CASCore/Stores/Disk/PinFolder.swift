internal import CPlatform
internal import SystemPackage

/// The pins of a cache, in its folder `pins`: `keep-NAME` until it is released, `lease-NUMBER` as long as its owner
/// holds the file's lock.
///
/// A pin is a file however many objects it keeps, so thousands of pinned objects take one descriptor or none, and an
/// eviction reads each list once.
final class PinFolder: Sendable {
    static let keepPrefix = "pins/keep-"
    static let leasePrefix = "pins/lease-"

    private let folder: CacheFolder
    private let usage: UsageCounters

    init(_ folder: CacheFolder, _ usage: UsageCounters) {
        self.folder = folder
        self.usage = usage
    }

    /// Sets or replaces a persistent pin. It survives a power failure once this has returned.
    func keep(_ pin: PinFile) throws(CASError) {
        let name = try Self.keepName(pin.name)
        var file = try write(pin)
        let synchronized = cplatform_sync_file(file.descriptor)
        if synchronized < 0 { throw failure(synchronized, pin.name) }
        try announcing { () throws(CASError) in
            let result = file.replace(name)
            if result < 0 { throw failure(result, pin.name) }
        }
        try synchronizePins(pin.name)
    }

    /// Ends a persistent pin. False when there is none of that name.
    func release(_ name: String) throws(CASError) -> Bool {
        let removed = cplatform_remove_file(folder.descriptor, try Self.keepName(name))
        if removed == -Errno.noSuchFileOrDirectory.rawValue { return false }
        if removed < 0 { throw failure(removed, name) }
        try synchronizePins(name)
        return true
    }

    /// Sets a lease: its file's name, and a descriptor that keeps it as long as it is open.
    func lease(_ pin: PinFile) throws(CASError) -> (name: String, descriptor: Int32) {
        let name = "\(Self.leasePrefix)\(UInt64.random(in: 0 ... .max))"
        var file = try write(pin)
        var descriptor: Int32 = -1
        try announcing { () throws(CASError) in
            let result = file.publish(as: name)
            if result < 0 { throw failure(result, pin.name) }
            // The unfinished file's own lock covers the time until this one is had.
            descriptor = cplatform_open_file(folder.descriptor, name, 0)
            let locked = descriptor < 0 ? descriptor : cplatform_lock(descriptor, 0, 0)
            if locked < 0 {
                if descriptor >= 0 { cplatform_close(descriptor) }
                _ = cplatform_remove_file(folder.descriptor, name)
                throw failure(locked, pin.name)
            }
        }
        return (name, descriptor)
    }

    func endLease(name: String, descriptor: Int32) {
        _ = cplatform_remove_file(folder.descriptor, name)
        cplatform_close(descriptor)
    }

    /// Every pin in force. Leases whose owners are gone, and files that are not whole, are left out.
    /// - Parameter removesDead: whether to remove the files of dead leases as well.
    func all(removesDead: Bool = false) throws(CASError) -> [(pin: PinFile, isLease: Bool)] {
        var found: [(pin: PinFile, isLease: Bool)] = []
        try forEachFile { name, file in
            let isLease = name.hasPrefix(Self.leasePrefix)
            // Who can lock the file exclusively is alone with it: its owner is gone.
            if isLease, cplatform_lock(file, 1, 0) >= 0 {
                if removesDead { _ = cplatform_remove_file(folder.descriptor, name) }
            } else if let pin = PinFile.read(file) {
                found.append((pin, isLease))
            }
        }
        return found
    }

    /// The names of persistent pins whose files are not whole.
    func damaged() throws(CASError) -> [String] {
        var names: [String] = []
        try forEachFile { name, file in
            if name.hasPrefix(Self.keepPrefix), PinFile.read(file) == nil {
                names.append(Self.unescaped(name.dropFirst(Self.keepPrefix.count)))
            }
        }
        return names
    }

    private func forEachFile(_ body: (_ name: String, _ file: Int32) -> Void) throws(CASError) {
        var listing: OpaquePointer?
        let opened = cplatform_listing_open(folder.descriptor, "pins", &listing)
        guard opened >= 0, let listing else {
            if !folder.isWritable { return }
            throw CASError(system: opened, "cache folder \(folder.path)/pins: cannot be listed")
        }
        defer { cplatform_listing_close(listing) }
        var entry: UnsafePointer<CChar>?
        while cplatform_listing_next(listing, &entry) > 0, let entry {
            let name = "pins/\(String(cString: entry))"
            guard name.hasPrefix(Self.keepPrefix) || name.hasPrefix(Self.leasePrefix) else { continue }
            let file = cplatform_open_file(folder.descriptor, name, 0)
            guard file >= 0 else { continue }
            body(name, file)
            cplatform_close(file)
        }
    }

    private func write(_ pin: PinFile) throws(CASError) -> UnfinishedFile {
        let file = try UnfinishedFile(in: folder, place: "pins")
        let written = pin.write(to: file.descriptor)
        if written < 0 { throw failure(written, pin.name) }
        return file
    }

    /// Puts a pin in place so that an eviction under way sees it before its next step: what is present when this
    /// returns stays.
    private func announcing(_ body: () throws(CASError) -> Void) throws(CASError) {
        _ = try folder.withLock(.removal, exclusively: false) { () throws(CASError) in
            try body()
            try usage.announcePin()
        }
    }

    private func synchronizePins(_ name: String) throws(CASError) {
        let pins = cplatform_open_file(folder.descriptor, "pins", 0)
        if pins < 0 { throw failure(pins, name) }
        defer { cplatform_close(pins) }
        let synchronized = cplatform_sync_file(pins)
        if synchronized < 0 { throw failure(synchronized, name) }
    }

    private func failure(_ result: Int32, _ name: String) -> CASError {
        CASError(system: result, "pin \"\(name)\" in cache \(folder.path): cannot be written", writes: true)
    }

    // MARK: Names

    /// What is not a letter, a digit, `.`, `_` or `-` becomes `%XX`: a pin's name may be a path or a URL.
    private static func keepName(_ name: String) throws(CASError) -> String {
        var escaped = keepPrefix
        for byte in name.utf8 {
            let scalar = UnicodeScalar(byte)
            let isPlain = byte < 128 && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            if isPlain || "._-".unicodeScalars.contains(scalar) {
                escaped.unicodeScalars.append(scalar)
            } else {
                escaped += (byte < 16 ? "%0" : "%") + String(byte, radix: 16)
            }
        }
        guard !name.isEmpty, name.utf8.count <= PinFile.mostNameBytes, escaped.utf8.count <= 255 else {
            throw CASError(.system, "pin \"\(name)\": its name is empty or too long", errno: .fileNameTooLong)
        }
        return escaped
    }

    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
