import ArgumentParser
import CVMFS
import SystemPackage

/// A repository's storage on this machine.
struct StorageOptionGroup: ParsableArguments {
    @Argument(help: "The repository's name (fqrn).")
    var name: String

    @Option(help: ArgumentHelp("The repository's own folder, the one that holds .cvmfspublished.", valueName: "DIR"))
    var storage: String

    @Flag(help: "Print JSON on standard output.")
    var json = false

    var path: FilePath { RawArgument.filePath(storage) }
}

/// A span of time, as in `3d`, `12h`, `30m` or `90s`.
struct TimeSpan: ExpressibleByArgument {
    let seconds: Int64

    init?(argument: String) {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        guard let last = argument.last else { return nil }
        let unit = units[last]
        let digits = unit == nil ? argument[...] : argument.dropLast()
        guard let number = Int64(digits), number >= 0 else { return nil }
        let (seconds, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
        guard !overflow, seconds < 1 << 40 else { return nil }
        self.seconds = seconds
    }
}
