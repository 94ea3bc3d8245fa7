// One import is enough for programs that use repositories: what they name (stores, paths, hashes, trust, transports)
// belongs to modules of its own, which stand alone for those who want only one of them.
@_exported public import CASCore
@_exported public import Catalog
@_exported public import Signing
@_exported public import SystemPackage
@_exported public import Transport
