import Glibc

/// One job again and again instead of a measurement, for a profiler: `BENCHMARK_PROFILE=catalog:5 Compare lookup` looks
/// entries up in a catalog for five seconds, prints the time of one, and ends.
struct ProfileJob {
    private let name: String
    private let seconds: Double

    static var wanted: ProfileJob? {
        guard let text = getenv("BENCHMARK_PROFILE").map({ String(cString: $0) }) else { return nil }
        let fields = text.split(separator: ":")
        guard fields.count == 2, let seconds = Double(fields[1]) else { return nil }
        return ProfileJob(name: String(fields[0]), seconds: seconds)
    }

    /// - Parameter calls: how often a job does what is to be timed.
    func run(calls: Int, _ jobs: [String: () throws -> Void]) throws -> Never {
        guard let job = jobs[name] else {
            throw BenchmarkError("\(name) is none of \(jobs.keys.sorted().joined(separator: ", "))")
        }
        let watch = Stopwatch()
        var rounds = 0
        while watch.seconds < seconds {
            try job()
            rounds += 1
        }
        print("\(name): \(time(watch.cpuSeconds / Double(rounds * calls)))")
        exit(0)
    }
}
