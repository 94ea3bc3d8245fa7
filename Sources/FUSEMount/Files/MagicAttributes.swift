internal import CVMFS
internal import FUSE
internal import Glibc

/// The extended attributes that say what a mount and its entries are, as the reference's client has them.
///
/// What does not apply here, as numbers of a part that we do not have, is absent. Source: format 6.4.
struct MagicAttributes {
    static let securityNames: [StaticBytes] = [
        "security.selinux", "system.posix_acl_access", "system.posix_acl_default",
    ]

    private static let ofMount: Set<String> = [
        "fqrn", "revision", "root_hash", "tag", "expires", "host", "host_list", "proxy", "proxy_list",
        "external_host", "proxy_list_external", "timeout", "timeout_direct", "external_timeout", "version", "pid",
        "uptime", "rx", "speed", "ndownload", "nioerr", "timestamp_last_ioerr", "nclg", "hitrate", "usedfd", "maxfd",
        "inode_max", "pubkeys", "repo_counters", "repo_metainfo", "catalog_counters",
    ]
    private static let ofEntry: Set<String> = [
        "hash", "lhash", "chunks", "chunk_list", "compression", "external_file", "direct_io", "external_url", "rawlink",
    ]

    let mounted: MountedRepository
    let view: MountedView
    let entry: CatalogEntry
    /// The catalog that has the entry's row.
    let catalog: CatalogTree.Mounted
    /// The catalog that serves the entry's path.
    let holder: CatalogTree.Mounted
    let metainfo: [UInt8]?
    let fileSystem: SnapshotFileSystem

    static func isMagic(_ name: [UInt8]) -> Bool { baseName(name) != nil }

    /// Whether it takes more than what is at hand.
    static func needsWaiting(_ name: [UInt8]) -> Bool {
        let base = baseName(name)
        return base == "catalog_counters" || base == "repo_metainfo"
    }

    static func isMetainfo(_ name: [UInt8]) -> Bool { baseName(name) == "repo_metainfo" }

    /// The name without `user.` and without the number of a page.
    private static func baseName(_ name: [UInt8]) -> String? {
        if name.elementsEqual("xfsroot.rawlink".utf8) { return "rawlink" }
        guard name.starts(with: "user.".utf8) else { return nil }
        let rest = name.dropFirst(5).prefix { $0 != UInt8(ascii: "~") && $0 != UInt8(ascii: "@") }
        let base = String(decoding: rest, as: UTF8.self)
        return ofMount.contains(base) || ofEntry.contains(base) ? base : nil
    }

    /// Those that apply, with `user.` in front.
    var names: [String] {
        // Of others the kernel itself refuses names that begin with `user.`.
        guard entry.kind == .file || entry.kind == .directory else {
            return entry.kind == .symlink ? ["xfsroot.rawlink"] : []
        }
        return Self.ofMount.union(Self.ofEntry).sorted().filter { text(of: $0) != nil }.map { "user.\($0)" }
    }

    func value(of name: [UInt8]) -> [UInt8]? {
        guard let base = Self.baseName(name), let whole = text(of: base) else { return nil }
        let rest = name.drop { $0 != UInt8(ascii: "~") && $0 != UInt8(ascii: "@") }
        let size = MountLimits.attributePageBytes
        let pages = max(1, (whole.count + size - 1) / size)
        guard let sign = rest.first else { return Array(whole.prefix(size)) }
        let number = String(decoding: rest.dropFirst(), as: UTF8.self)
        if sign == UInt8(ascii: "~"), number == "?" { return Array("num_pages, \(pages)".utf8) }
        guard let page = Int(number), page >= 0, page < pages else { return nil }
        let part = whole.dropFirst(page * size).prefix(size)
        guard sign == UInt8(ascii: "@") else { return Array(part) }
        return Array("# Access page at idx: \(page)\n".utf8) + part
    }

    private func text(of name: String) -> [UInt8]? {
        if name == "repo_metainfo" { return metainfo ?? (entry.key == RepositoryPath.root.key ? [] : nil) }
        if name == "rawlink" { return entry.kind == .symlink ? entry.target : nil }
        return (ofMount(name) ?? ofEntry(name)).map { Array($0.utf8) }
    }

    private func ofMount(_ name: String) -> String? {
        let configuration = mounted.configuration
        let totals = mounted.repository.totals
        let seconds = Int((ContinuousClock.now - mounted.started) / .seconds(1))
        switch name {
        case "fqrn": return mounted.repository.name
        case "revision": return "\(view.snapshot.revision)"
        case "root_hash": return "\(view.snapshot.rootHash)"
        case "tag": return view.snapshot.tag ?? ""
        case "expires":
            guard case .newest = configuration.state else { return "never (fixed root catalog)" }
            return "\(mounted.repository.timeToLive / 60)"
        case "host": return mounted.repository.answeringServer ?? configuration.servers.first ?? ""
        case "host_list": return configuration.servers.joined(separator: ";")
        case "proxy": return configuration.proxy
        case "proxy_list": return configuration.proxy + "\n"
        case "external_host": return configuration.externalServers.first
        case "proxy_list_external": return configuration.externalServers.isEmpty ? nil : configuration.proxy + "\n"
        case "timeout", "external_timeout": return "\(configuration.timeout ?? 5)"
        case "timeout_direct": return "\(configuration.timeout ?? 10)"
        case "version": return MountVersion.text
        case "pid": return "\(getpid())"
        case "uptime": return "\(seconds / 60)"
        case "rx": return "\(totals.bytes / 1024)"
        case "speed": return "n/a"
        case "ndownload": return "\(totals.objects)"
        case "nioerr": return "\(mounted.ioErrors.count)"
        case "timestamp_last_ioerr": return "\(mounted.ioErrors.last)"
        case "nclg": return "\(view.snapshot.tree.loadedCount + 1)"
        case "hitrate":
            let all = totals.hits + totals.objects
            guard all > 0 else { return "n/a" }
            let thousandths = totals.hits * 100_000 / all
            let fraction = "\(1000 + thousandths % 1000)".dropFirst()
            return "\(thousandths / 1000).\(fraction)"
        case "usedfd": return "\(ProcessFigures.descriptors)"
        case "maxfd": return "\(ProcessFigures.descriptorLimit)"
        case "inode_max": return "\(fileSystem.table.slots)"
        case "pubkeys": return mounted.keysText
        case "repo_counters":
            guard let counters = mounted.counters(of: view) else { return nil }
            return Self.lines(counters.own + counters.subtree)
        case "catalog_counters":
            guard let counters = try? holder.catalog.statistics() else { return nil }
            return "catalog_hash: \(holder.hash)\ncatalog_mountpoint: \(holder.path)\n"
                + Self.lines(counters.own + counters.subtree)
        default: return nil
        }
    }

    private func ofEntry(_ name: String) -> String? {
        switch name {
        case "hash": return entry.contentHash?.description
        case "lhash":
            guard let object = entry.object else { return nil }
            return mounted.store.contains(object) ? "\(object.hash)" : "Not in cache"
        case "external_url":
            guard entry.isExternal else { return nil }
            return mounted.configuration.externalServers.first.map { "\($0)/\(entry.name)" }
        default: break
        }
        guard entry.kind == .file else { return nil }
        switch name {
        case "chunks": return entry.isChunked ? (try? catalog.catalog.chunks(of: entry)).map { "\($0.count)" } : "1"
        case "chunk_list":
            var lines = "hash,offset,size\n"
            if entry.isChunked {
                guard let chunks = try? catalog.catalog.chunks(of: entry) else { return nil }
                for chunk in chunks { lines += "\(chunk.object.hash),\(chunk.offset),\(chunk.size)\n" }
            } else if let hash = entry.contentHash {
                lines += "\(hash),0,\(entry.size)\n"
            }
            return lines
        case "compression": return entry.compression == .none ? "none" : "zlib"
        case "external_file": return entry.isExternal ? "1" : "0"
        case "direct_io": return entry.isDirectIO ? "1" : "0"
        default: return nil
        }
    }

    private static func lines(_ counters: CatalogStatistics.Counters) -> String {
        CatalogStatistics.Counters.names.map { "\($0.name),\(counters[keyPath: $0.counter])\n" }.joined()
    }
}

/// Bytes of a literal, to be compared with names.
struct StaticBytes: ExpressibleByStringLiteral {
    private let text: StaticString

    init(stringLiteral text: StaticString) { self.text = text }

    func elementsEqual(_ bytes: [UInt8]) -> Bool {
        text.withUTF8Buffer { $0.elementsEqual(bytes) }
    }
}
