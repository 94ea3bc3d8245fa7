import CASCore
import Foundation

/// A program of the tests' own, running beside them, that can be killed.
package final class ChildProgram: Sendable {
    private let process: pid_t
    private let output: Int32
    private let input: Int32

    /// - Parameters:
    ///   - program: the name of the target, which is built beside the tests' own program.
    package convenience init(_ program: String, _ arguments: String...) throws {
        try self.init(program, arguments: arguments)
    }

    package init(_ program: String, arguments: [String]) throws {
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        let path = URL(fileURLWithPath: tests).deletingLastPathComponent().appending(path: program).path
        var (outputs, inputs) = ([Int32](repeating: 0, count: 2), [Int32](repeating: 0, count: 2))
        guard pipe(&outputs) == 0, pipe(&inputs) == 0 else { throw Failed(what: "pipe") }
        // Lest another child keeps them open.
        for descriptor in outputs + inputs { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, outputs[1], 1)
        posix_spawn_file_actions_adddup2(&actions, inputs[0], 0)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var words = ([path] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let error = posix_spawn(&process, path, &actions, nil, &words, environ)
        close(outputs[1])
        close(inputs[0])
        guard error == 0 else { throw Failed(what: "spawn \(path): \(error)") }
        self.process = process
        output = outputs[0]
        input = inputs[1]
    }

    deinit {
        close(output)
        close(input)
    }

    /// The next line that it prints; `nil` at the end.
    package func line() async throws -> String? {
        try await BlockingPool.shared.run { [output] in
            var bytes: [UInt8] = []
            var byte: UInt8 = 0
            while read(output, &byte, 1) == 1 {
                if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
                bytes.append(byte)
            }
            return nil
        }
    }

    /// Kills it, without a chance to do anything any more.
    package func kill() async {
        Foundation.kill(process, SIGKILL)
        _ = await ended()
    }

    /// Waits for its end, and gives the exit code; -1 when it was killed.
    package func ended() async -> Int32 {
        let status = try? await BlockingPool.shared.run { [process] in
            var status: Int32 = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
            return status
        }
        guard let status, status & 0x7F == 0 else { return -1 }
        return status >> 8 & 0xFF
    }

    struct Failed: Error { let what: String }
}
