package import FUSE

/// One file of a tree in memory.
package struct MemoryNode {
    package enum Content: Sendable {
        case none
        case bytes([UInt8])
        case link([UInt8])
        /// What another file holds.
        case file(Int32)
        /// A read is answered when it is interrupted, with EINTR, or when everything is let go.
        case waiting
        /// A read is answered by a task.
        case later([UInt8])
        case failing(Int32)
        /// Opened with another file behind it, which the kernel reads by itself.
        case passedThrough(BackingFile)
    }

    package var attributes: Attributes
    package var content: Content
    package var extendedAttributes: [(name: [UInt8], value: [UInt8])] = []
    /// Of a folder; what was removed leaves a gap, so that positions stay.
    var entries: [(name: [UInt8], node: NodeID)?] = []

    package init(_ attributes: Attributes, _ content: Content = .none) {
        self.attributes = attributes
        self.content = content
    }
}
