/// Which of several servers is in use, for all downloads together.
///
/// A value without I/O; instants are durations since any fixed moment. Source: format 5.2, 5.3.
struct ServerRing {
    let count: Int
    private let resetAfter: Duration
    private(set) var current = 0
    /// When the first server was left; `nil` while it is in use.
    private(set) var departure: Duration?

    init(count: Int, resetAfter: Duration) {
        self.count = count
        self.resetAfter = resetAfter
    }

    /// The server to ask first. When it is time, goes back to the first one of the list.
    mutating func serverForNewDownload(at now: @autoclosure () -> Duration) -> Int {
        if let departure, resetAfter > .zero, now() - departure >= resetAfter {
            current = 0
            self.departure = nil
        }
        return current
    }

    /// Leaves a server that failed, unless another download has already left it.
    mutating func leave(_ failed: Int, at now: Duration) {
        guard failed == current, count > 1 else { return }
        current = (current + 1) % count
        if current == 0 {
            departure = nil
        } else if departure == nil {
            departure = now
        }
    }
}
