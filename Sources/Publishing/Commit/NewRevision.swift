package import CASCore

/// A name for a revision that is being published.
package struct NewTag: Sendable, Hashable {
    package var name: String
    package var description: String

    package init(name: String, description: String = "") {
        self.name = name
        self.description = description
    }
}

/// What a new revision is, once everything that it names is stored.
///
/// The root catalog says the same of itself: its properties `revision`, `previous_revision`, `last_modified` and `TTL`
/// are the publisher's to set.
package struct NewRevision: Sendable {
    package var rootCatalog: ContentHash
    /// Bytes of the root catalog, unpacked.
    package var rootCatalogSize: Int64
    /// One more than that of the revision on which it is based.
    package var revision: UInt64
    /// Of the root catalog, in seconds since 1970.
    package var lastModified: Int64
    /// In seconds; as before when left out.
    package var ttl: UInt32?
    /// What users may call it, besides `trunk`.
    package var tags: [NewTag]
    /// Root catalogs that were stored on the way and are not published, so that a collection finds them.
    package var intermediateCatalogs: [ContentHash]
    /// A JSON object; as before when left out.
    package var metainfo: [UInt8]?
    /// As before when left out.
    package var isGarbageCollectable: Bool?

    package init(
        rootCatalog: ContentHash, rootCatalogSize: Int64, revision: UInt64, lastModified: Int64, ttl: UInt32? = nil,
        tags: [NewTag] = [], intermediateCatalogs: [ContentHash] = [], metainfo: [UInt8]? = nil,
        isGarbageCollectable: Bool? = nil
    ) {
        self.rootCatalog = rootCatalog
        self.rootCatalogSize = rootCatalogSize
        self.revision = revision
        self.lastModified = lastModified
        self.ttl = ttl
        self.tags = tags
        self.intermediateCatalogs = intermediateCatalogs
        self.metainfo = metainfo
        self.isGarbageCollectable = isGarbageCollectable
    }

    var root: TaggedRoot {
        TaggedRoot(hash: rootCatalog, size: rootCatalogSize, revision: revision, timestamp: lastModified)
    }
}
