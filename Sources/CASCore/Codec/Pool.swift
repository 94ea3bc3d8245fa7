internal import Synchronization

/// Keeps a few things for their next use that are dear to make: codec states of many kilobytes.
///
/// `@unchecked`: the slots are reached only while `count` is locked, and an element has one owner at a time, the pool
/// or whoever took it. That the elements may go from thread to thread is for the pool's maker to know; the states of
/// zlib and libdeflate may.
final class Pool<Element: ~Copyable>: @unchecked Sendable {
    private let slots: UnsafeMutablePointer<Element>
    private let capacity: Int
    private let count = Mutex(0)

    /// - Parameter capacity: how many idle elements are kept at most.
    init(capacity: Int) {
        slots = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    deinit {
        count.withLock { count in _ = slots.deinitialize(count: count) }
        slots.deallocate()
    }

    /// An idle element, or `nil` when a new one must be made.
    func take() -> Element? {
        count.withLock { count in
            guard count > 0 else { return nil }
            count -= 1
            return (slots + count).move()
        }
    }

    /// Takes an element back, or drops it when enough are idle.
    func put(_ element: consuming Element) {
        var element: Element? = element
        count.withLock { count in
            guard count < capacity, let kept = element.take() else { return }
            (slots + count).initialize(to: kept)
            count += 1
        }
    }
}
