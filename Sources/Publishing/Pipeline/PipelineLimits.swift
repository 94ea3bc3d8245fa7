/// Bounds on what the pipeline holds in memory.
enum PipelineLimits {
    /// The largest chunk that may be chosen: 64 MiB, four times the usual one.
    static let chunkBytes = 64 << 20

    /// The smallest minimum of chunks: 1 KiB, below which the rows of the chunks outweigh their content.
    static let leastChunkBytes = 1 << 10

    /// Content that is packed in one piece of memory when it is not cut: 16 MiB, as the largest usual chunk. Longer
    /// content is streamed through zlib.
    static let wholeBytes = 16 << 20

    /// Plain content in work, with room for it packed: 128 MiB, four of the largest chunks. A chunk that is larger has
    /// the memory for itself.
    static let memoryBytes = 128 << 20

    /// Memory for content that stays mapped when it is not in use: 34 MiB, the largest usual chunk for each of two
    /// cores.
    static let idleBytes = 34 << 20

    /// Bytes asked of a source at a time: 256 KiB.
    static let readBytes = 256 << 10

    /// The largest file of an index: 1 GiB, six million files. A larger one is thrown away and begun anew.
    static let indexBytes: Int64 = 1 << 30
}
