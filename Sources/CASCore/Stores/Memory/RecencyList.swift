/// Values by key, ordered by their last use. Every operation but a search for the oldest takes constant time.
struct RecencyList<Key: Hashable, Value> {
    private struct Node {
        let key: Key
        /// `nil` in a place that is free.
        var value: Value?
        /// Towards the newer and the older one; -1 at the ends.
        var newer = -1
        var older = -1
    }

    private var nodes: [Node] = []
    private var free: [Int] = []
    private var places: [Key: Int] = [:]
    private var newest = -1
    private var oldest = -1

    var count: Int { places.count }

    func contains(_ key: Key) -> Bool { places[key] != nil }

    /// The value, which is now the newest.
    mutating func use(_ key: Key) -> Value? {
        guard let place = places[key] else { return nil }
        makeNewest(place)
        return nodes[place].value
    }

    /// Adds a value as the newest, in place of another that the key may have.
    mutating func insert(_ value: Value, for key: Key) {
        _ = remove(key)
        let node = Node(key: key, value: value)
        let place = free.popLast() ?? nodes.count
        if place < nodes.count { nodes[place] = node } else { nodes.append(node) }
        places[key] = place
        link(place)
    }

    mutating func remove(_ key: Key) -> Value? {
        guard let place = places.removeValue(forKey: key) else { return nil }
        unlink(place)
        free.append(place)
        return nodes[place].value.take()
    }

    /// Removes the oldest value that may go. Those passed over become the newest, so that they are not met again soon.
    /// - Parameter mayGo: is given the value in place, never `nil`, so that it can look at the references to it.
    mutating func removeOldest(where mayGo: (inout Value?) -> Bool) -> Value? {
        for _ in 0..<count {
            if mayGo(&nodes[oldest].value) { return remove(nodes[oldest].key) }
            makeNewest(oldest)
        }
        return nil
    }

    private mutating func makeNewest(_ place: Int) {
        guard place != newest else { return }
        unlink(place)
        link(place)
    }

    private mutating func unlink(_ place: Int) {
        let node = nodes[place]
        if node.newer >= 0 { nodes[node.newer].older = node.older } else { newest = node.older }
        if node.older >= 0 { nodes[node.older].newer = node.newer } else { oldest = node.newer }
    }

    private mutating func link(_ place: Int) {
        nodes[place].newer = -1
        nodes[place].older = newest
        if newest >= 0 { nodes[newest].newer = place } else { oldest = place }
        newest = place
    }
}
