public import CASCore

/// How content becomes objects. What is chosen here decides their names, so a repository keeps to it.
public struct ContentOptions: Sendable, Hashable {
    public var algorithm: HashAlgorithm = .sha1
    /// Of files; catalogs and the like are always zlib streams.
    public var compression: Compression = .zlib
    public var deflater: DeflaterKind = .zlib
    /// How large files are cut; `nil` when they are not.
    public var chunkSizes: ChunkSizes? = .standard
    /// How many threads hash and pack; `nil` for one a core. The result does not depend on it.
    public var threads: Int?

    public init() {}
}

/// How large the chunks of a file are, in bytes. Source: format 3.1.
public struct ChunkSizes: Sendable, Hashable {
    public let minimum: Int
    public let average: Int
    public let maximum: Int

    /// 4, 8 and 16 MiB, as everywhere.
    public static let standard = ChunkSizes(unchecked: (4 << 20, 8 << 20, 16 << 20))

    /// - Throws: `invalidArgument` unless 1 KiB ≤ minimum ≤ average ≤ maximum ≤ 64 MiB.
    public init(minimum: Int, average: Int, maximum: Int) throws(PublishingError) {
        guard PipelineLimits.leastChunkBytes <= minimum, minimum <= average, average <= maximum,
            maximum <= PipelineLimits.chunkBytes
        else {
            throw PublishingError(
                .invalidArgument,
                "chunks of \(minimum), \(average) and \(maximum) bytes: they must be in this order, the smallest at least "
                    + "\(PipelineLimits.leastChunkBytes) and the largest at most \(PipelineLimits.chunkBytes)")
        }
        self.init(unchecked: (minimum, average, maximum))
    }

    private init(unchecked sizes: (Int, Int, Int)) { (minimum, average, maximum) = sizes }
}
