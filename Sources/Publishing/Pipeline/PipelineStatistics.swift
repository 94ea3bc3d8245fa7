/// What a pipeline has done so far.
package struct PipelineStatistics: Sendable, Hashable {
    /// Files that were recognised and not read.
    package var unchangedFiles = 0
    /// Objects asked for: whole contents, and chunks.
    package var contents = 0
    /// Of those, the ones that were stored already: hashed but not packed.
    package var knownContents = 0
    /// Plain bytes that were read.
    package var readBytes: Int64 = 0
    /// Plain bytes that were packed, and what they came to.
    package var packedBytes: Int64 = 0
    package var storedBytes: Int64 = 0
}
