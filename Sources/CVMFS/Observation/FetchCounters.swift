internal import Metrics
internal import Synchronization

/// What a repository has cost since it was opened.
public struct FetchTotals: Sendable, Hashable {
    /// Objects fetched and verified, catalogs included.
    public var objects = 0
    /// Bytes that came over the wire, failed attempts included.
    public var bytes: Int64 = 0
    /// Requests made, those for manifest and whitelist included.
    public var requests = 0
    /// How many fetches waited for each other: the longest row of which each began after the one before had ended.
    public var roundTrips = 0
    /// Objects that the cache had.
    public var hits = 0
    /// Fetches that failed in the end.
    public var failures = 0
}

/// Counts for the program (`Repository.totals`) and for whatever metrics system it has set up.
final class FetchCounters: Sendable {
    private let totals = Mutex(FetchTotals())
    private let objects = Counter(label: "cvmfs.objects.fetched")
    private let bytes = Counter(label: "cvmfs.bytes.fetched")
    private let requests = Counter(label: "cvmfs.requests")
    private let failures = Counter(label: "cvmfs.fetches.failed")
    private let hits = Counter(label: "cvmfs.cache.hits")
    private let duration = Metrics.Timer(label: "cvmfs.fetch.duration")

    var current: FetchTotals { totals.withLock { $0 } }

    func countHit() {
        totals.withLock { $0.hits += 1 }
        hits.increment()
    }

    /// To be called when a fetch begins: its place in the longest row that leads to it.
    func begin() -> Int { totals.withLock { $0.roundTrips + 1 } }

    func count(_ event: FetchEvent, place: Int) {
        totals.withLock { totals in
            totals.roundTrips = max(totals.roundTrips, place)
            totals.bytes += event.bytes
            totals.requests += event.requests
            switch event.outcome {
            case .fetched: totals.objects += event.object == nil ? 0 : 1
            case .failed: totals.failures += 1
            }
        }
        bytes.increment(by: event.bytes)
        requests.increment(by: event.requests)
        duration.recordNanoseconds(Int64(event.duration / .nanoseconds(1)))
        switch event.outcome {
        case .fetched: objects.increment()
        case .failed: failures.increment()
        }
    }
}
