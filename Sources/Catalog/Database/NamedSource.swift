internal import CASCore
internal import SystemPackage

/// A source with the name that error messages give it.
struct NamedSource {
    let source: any DatabaseSource
    let label: String

    private init(_ source: any DatabaseSource, label: String) {
        self.source = source
        self.label = label
    }

    /// - Parameter kind: what the file is: a catalog, a history, a reflog.
    init(_ object: any StoredObject, kind: String) {
        self.init(ObjectSource(object), label: "\(kind) \(object.id)")
    }

    static func opening(_ path: FilePath, kind: String) throws(CatalogError) -> NamedSource {
        do {
            return NamedSource(try DescriptorSource(opening: path), label: "\(kind) \(path)")
        } catch {
            throw CatalogError(.io, "\(kind) \(path) cannot be opened", cause: error)
        }
    }

    static func holding(
        _ descriptor: FileDescriptor, _ owner: (any Sendable)?, kind: String
    ) throws(CatalogError) -> NamedSource {
        let label = "\(kind) on descriptor \(descriptor.rawValue)"
        do {
            return NamedSource(try DescriptorSource(descriptor: descriptor, keeping: owner), label: label)
        } catch {
            throw CatalogError(.io, "\(label) cannot be read", cause: error)
        }
    }
}
