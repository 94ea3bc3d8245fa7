internal import CASCore

/// The path of an archive's entry, taken apart.
enum ArchivePath {
    /// The components of a path. Slashes at its start mean nothing: every path is below the target.
    ///
    /// - Throws: `source` for `..` and for what no file system would hold.
    static func components(of path: [UInt8], in label: String) throws(PublishingError) -> [FileName] {
        var names: [FileName] = []
        for part in path.split(separator: UInt8(ascii: "/")) where !part.elementsEqual(".".utf8) {
            let name = FileName(bytes: Array(part))
            guard name.isValid else {
                let reason =
                    part.elementsEqual("..".utf8) ? "leaves the target by \"..\"" : "has a name that is too long"
                throw PublishingError(.source, "\(label): the path \(TarReader.quoted(path)) \(reason)")
            }
            names.append(name)
        }
        return names
    }
}

/// What the name of a layer's entry takes away from the layers below. Source: OCI image layer, whiteouts.
enum Whiteout: Equatable {
    /// `.wh.NAME`: the entry NAME beside it.
    case entry(FileName)
    /// `.wh..wh..opq`: all that is in the directory.
    case opaque
    /// Other `.wh..wh.` names, which aufs keeps for itself.
    case nothing

    /// `nil` when it is an ordinary name.
    init?(_ name: FileName) {
        let prefix = Array(".wh.".utf8)
        guard name.bytes.starts(with: prefix) else { return nil }
        let rest = Array(name.bytes[prefix.count...])
        if rest.elementsEqual(".wh..opq".utf8) {
            self = .opaque
        } else if rest.starts(with: prefix) {
            self = .nothing
        } else {
            self = .entry(FileName(bytes: rest))
        }
    }
}
