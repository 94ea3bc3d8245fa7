import Foundation
import SystemPackage

/// A file system mounted for a test, unmounted with it. `nil` where one may not mount: the test then shows nothing, and
/// says so.
final class TestMount: Sendable {
    private let path: FilePath

    /// - Parameters:
    ///   - arguments: of mount(8), before the mountpoint.
    ///   - options: what to mount it with anew, where that takes a second step.
    init?(_ arguments: [String], at path: FilePath, remounting options: String? = nil) {
        self.path = path
        guard Self.run("mount", arguments + [path.string]) else {
            print("not tested: mount \(arguments) needs root and a system that allows it")
            return nil
        }
        if let options, !Self.run("mount", ["-o", "remount,\(options)", path.string]) { return nil }
    }

    deinit { _ = Self.run("umount", ["-l", path.string]) }

    static func run(_ program: String, _ arguments: [String]) -> Bool {
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        child.arguments = [program] + arguments
        child.standardError = FileHandle.nullDevice
        child.standardOutput = FileHandle.nullDevice
        do { try child.run() } catch { return false }
        child.waitUntilExit()
        return child.terminationStatus == 0
    }
}
