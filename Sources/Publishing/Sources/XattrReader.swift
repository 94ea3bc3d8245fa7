internal import CASCore
internal import CPlatform
internal import Catalog
internal import SystemPackage

/// Reads the extended attributes of an entry of a folder.
struct XattrReader {
    let folder: FolderHandle
    let name: FileName

    func attributes() throws(PublishingError) -> [ExtendedAttributes.Attribute] {
        let names = try attributeNames()
        guard !names.isEmpty else { return [] }
        var attributes: [ExtendedAttributes.Attribute] = []
        for attribute in names.split(separator: 0) where SourceEntry.keepsXattr(attribute) {
            guard let value = try value(of: Array(attribute)) else { continue }
            attributes.append(ExtendedAttributes.Attribute(name: Array(attribute), value: value))
        }
        return attributes
    }

    private func attributeNames() throws(PublishingError) -> [UInt8] {
        // Most have none, or a few.
        var length: Int64 = 0
        var capacity = 256
        while true {
            let names = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
                length = name.withCString {
                    cplatform_list_link_xattrs(folder.descriptor, $0, buffer.baseAddress, Int64(buffer.count))
                }
                count = max(0, Int(length))
            }
            if length >= 0 { return names }
            guard length == -Int64(Errno.outOfRange.rawValue), capacity < SourceLimits.xattrBytes else {
                throw folder.failure(Int32(length), name, "has extended attributes that cannot be listed")
            }
            capacity = SourceLimits.xattrBytes
        }
    }

    /// `nil` when it is gone.
    private func value(of attribute: [UInt8]) throws(PublishingError) -> [UInt8]? {
        var length: Int64 = 0
        let value = [UInt8](unsafeUninitializedCapacity: SourceLimits.xattrBytes) { buffer, count in
            length = name.withCString { entry in
                FileName(bytes: attribute).withCString {
                    cplatform_get_link_xattr(folder.descriptor, entry, $0, buffer.baseAddress, Int64(buffer.count))
                }
            }
            count = max(0, Int(length))
        }
        if length >= 0 { return value }
        if length == -Int64(Errno.noData.rawValue) { return nil }
        let text = String(decoding: attribute, as: UTF8.self)
        throw folder.failure(Int32(length), name, "has an extended attribute \"\(text)\" that cannot be read")
    }
}
