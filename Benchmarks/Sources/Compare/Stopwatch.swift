import CPeer

/// Time, and the processor's time of this process, since it was made.
struct Stopwatch {
    private let start = ContinuousClock.now
    private let cpuAtStart = peer_cpu_seconds()

    var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }
    /// User and system time of all threads.
    var cpuSeconds: Double { peer_cpu_seconds() - cpuAtStart }
}

/// The processor's time that a job takes on this thread, which another program's work does not change as it does the
/// time of day.
func seconds(of body: () throws -> Void) rethrows -> Double {
    let start = peer_thread_cpu_seconds()
    try body()
    return peer_thread_cpu_seconds() - start
}

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return .nan }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/// Medians of two jobs that take turns, so that a busy machine disturbs both alike, and the median of their ratios.
func compared(
    rounds: Int, _ ours: () throws -> Double, _ peer: () throws -> Double
) rethrows -> (ours: Double, peer: Double, ratio: Double) {
    var samples: [(ours: Double, peer: Double)] = []
    for round in 0..<rounds {
        // Whoever comes second may find caches warm, or the processor hot.
        if round % 2 == 0 {
            let first = try ours()
            samples.append((first, try peer()))
        } else {
            let first = try peer()
            samples.append((try ours(), first))
        }
    }
    return (
        median(samples.map(\.ours)), median(samples.map(\.peer)), median(samples.map { $0.ours / $0.peer })
    )
}
