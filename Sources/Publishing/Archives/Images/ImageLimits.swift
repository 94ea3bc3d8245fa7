/// Bounds on container images; each is far above what real ones have.
enum ImageLimits {
    /// Bytes of an index, a manifest, a configuration or a record.
    static let documentBytes = 4 << 20
    /// Layers of one image: overlay file systems take 128 to 500.
    static let layers = 1024
    /// Indexes inside indexes.
    static let indexDepth = 4
    /// Manifests that are looked at in one layout.
    static let manifests = 4096
    /// Files of an image that is a tar archive, such as layers and manifests of all its images.
    static let files = 65_536
    /// Links followed from one of those files to another.
    static let links = 8
    /// Differences of an image that a check tells in words; further ones are only counted.
    static let differences = 100
}
