import Foundation
import LocalServers

/// Runs the program `cvmfs` as a user does.
struct Tool {
    struct Run {
        let status: Int32
        let output: [UInt8]
        let errors: String

        var text: String { String(decoding: output, as: UTF8.self) }
        var lines: [String] { text.split(separator: "\n").map(String.init) }

        /// The output as JSON.
        func json() throws -> Any { try JSONSerialization.jsonObject(with: Data(output), options: .fragmentsAllowed) }

        /// The output as one JSON object a line.
        func jsonLines() throws -> [[String: Any]] {
            try lines.compactMap { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        }
    }

    /// Beside the test bundle, where the build puts both.
    static let program = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "cvmfs")

    let arguments: [String]

    /// - Parameter standard: options that every call gets.
    init(_ standard: [String]) { arguments = standard }

    func run(_ command: String, _ rest: String..., environment: [String: String] = [:]) throws -> Run {
        try Self.run([command] + rest + arguments, environment: environment)
    }

    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Run {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // Files, not pipes: whatever the program prints, it never waits for the test.
        let folder = try TemporaryFolder("tool")
        let (output, errors) = (folder.path + "/out", folder.path + "/err")
        for file in [output, errors] { _ = FileManager.default.createFile(atPath: file, contents: nil) }
        process.standardOutput = FileHandle(forWritingAtPath: output)
        process.standardError = FileHandle(forWritingAtPath: errors)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return Run(
            status: process.terminationStatus, output: readFile(output) ?? [],
            errors: String(decoding: readFile(errors) ?? [], as: UTF8.self))
    }
}
