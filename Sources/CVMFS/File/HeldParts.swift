package import CASCore

/// The handles of the parts of a file that were read last, so that they stay and are not looked up again.
package struct HeldParts: Sendable {
    /// What one reader and the read-ahead touch.
    private static let limit = 4
    // Index of a part and its handle, the most recently used last.
    private var handles: [(index: Int, object: any StoredObject)] = []

    package init() {}

    /// The handle of a part, which becomes the most recently used.
    package mutating func use(_ index: Int) -> (any StoredObject)? {
        guard let position = handles.lastIndex(where: { $0.index == index }) else { return nil }
        let handle = handles[position]
        if position != handles.count - 1 {
            handles.remove(at: position)
            handles.append(handle)
        }
        return handle.object
    }

    /// Holds a part in place of the one that was not used for the longest time.
    package mutating func hold(_ object: any StoredObject, _ index: Int) {
        guard !handles.contains(where: { $0.index == index }) else { return }
        if handles.count >= Self.limit { handles.removeFirst() }
        handles.append((index, object))
    }
}
