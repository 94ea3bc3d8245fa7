@preconcurrency import Glibc

/// Measures the library beside limits and peers, and prints one table.
///
///     Compare [lookup|read|cold|memory|open|publish|mount|run|pin]...
@main
struct Compare {
    static func main() async {
        setvbuf(stdout, nil, _IOLBF, 0)
        do {
            let setting = try BenchmarkSetting()
            let arguments = Array(CommandLine.arguments.dropFirst())
            if arguments.first == "cold-job" {
                try await runColdJob(arguments, setting)
            } else if try await !compare(arguments, setting) {
                exit(2)
            }
        } catch {
            fputs("Compare: \(error)\n", stderr)
            exit(1)
        }
    }

    /// True when all targets are met.
    private static func compare(_ arguments: [String], _ setting: BenchmarkSetting) async throws -> Bool {
        // Memory comes first, while this process is small: a child's peak counts from what its parent had.
        let all = ["memory", "lookup", "read", "cold", "open", "publish", "mount", "run", "pin"]
        var figures: [Figure] = []
        for argument in arguments.isEmpty ? all : arguments {
            print("Measuring: \(argument)")
            figures += try await measured(argument, setting)
        }
        print("\n" + Figure.table(figures))
        return figures.allSatisfy(\.isMet)
    }

    private static func runColdJob(_ arguments: [String], _ setting: BenchmarkSetting) async throws {
        guard arguments.count == 4, let way = ColdJob.Way(rawValue: arguments[1]), let cores = Int(arguments[3]) else {
            throw BenchmarkError("a job's arguments are wrong")
        }
        let sample = try await ColdJob(way, arguments[2], cores: cores).run(setting)
        print(sample.seconds, sample.cpuSeconds, sample.objects, sample.bytes)
    }

    private static func measured(_ what: String, _ setting: BenchmarkSetting) async throws -> [Figure] {
        switch what {
        case "lookup": try await LookupFigures(setting: setting).measured()
        case "read": try await ReadFigures(setting: setting).measured()
        case "cold": try ColdFigures().measured()
        case "memory": try MemoryFigures(setting: setting).measured()
        case "open": try await OpenFigures(setting: setting).measured()
        case "publish": try PublishFigures(setting: setting).measured()
        case "mount": try MountFigures(setting: setting).measured()
        case "run": try RunFigures(setting: setting).measured()
        case "pin": try PinFigures(setting: setting).measured()
        default: throw BenchmarkError("there is no benchmark \(what)")
        }
    }
}
