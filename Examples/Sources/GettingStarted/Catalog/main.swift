import CASCore
import Catalog
import SystemPackage

let catalog = try FileCatalog(at: FilePath(CommandLine.arguments[1]))
print("revision \(catalog.properties.revision), schema \(catalog.schema.version) revision \(catalog.schema.revision)")

if let entry = try catalog.entry(at: "/large1.bin"), entry.isChunked {
    print(entry.name, entry.kind, entry.size, String(entry.permissions, radix: 8))
    for chunk in try catalog.chunks(of: entry) {
        print("  \(chunk.size) bytes at \(chunk.offset): \(chunk.object.serverPath)")
    }
}

var cursor = try catalog.entriesByName(in: "/")
while let entry = try cursor.next() {
    switch entry.kind {
    case .symlink:
        let target = SymlinkTemplate(entry.target).expanded(["OSG_APP": "/osg"])
        print(entry.name, "->", String(decoding: target, as: UTF8.self))
    case .file:
        for attribute in try catalog.xattrs(of: entry).attributes {
            print(entry.name, "has", String(decoding: attribute.name, as: UTF8.self))
        }
    default: break
    }
}

for nested in try catalog.nestedCatalogs() { print("\(nested.path) is in \(nested.object.serverPath)") }

let path: RepositoryPath = "/quote'\"6/f1.py"
if try catalog.entry(at: path) == nil, let nested = try catalog.nestedCatalog(containing: path) {
    print("\(path) is told by the nested catalog of \(nested.path)")
}

let counters = try catalog.statistics()
print("\((counters.own + counters.subtree).entries) entries in all, \(counters.own.entries) of them here")
