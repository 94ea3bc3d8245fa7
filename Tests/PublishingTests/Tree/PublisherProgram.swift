import CASCore
import Foundation
import LocalServers

/// The program `TreePublisher`, which is beside the tests' own.
enum PublisherProgram {
    private static let path: String = {
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(fileURLWithPath: tests).deletingLastPathComponent().appending(path: "TreePublisher").path
    }()

    /// Runs it to its end.
    /// - Parameter log: a file for what it says, which is made anew.
    /// - Returns: whether it has ended by itself, and well.
    static func run(_ arguments: String..., log: String) async throws -> Bool {
        try await BlockingPool.shared.run {
            try writeFile([], to: log)
            do {
                try runToEnd(path, arguments, log: log)
                return true
            } catch is LocalServerError {
                return false
            }
        }
    }
}
