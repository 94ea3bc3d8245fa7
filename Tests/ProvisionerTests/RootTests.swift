import CVMFS
import FUSEMount
import Foundation
import LocalServers
import RepositoryMaker
import Testing

@testable import Provisioner

/// They need root, and start the program `cvmfs`, which serves the mounts.
@Suite(
    "A provisioned root", .serialized,
    .enabled(if: geteuid() == 0 && HostAbilities.hasNamespaces && HostAbilities.hasFUSE, "needs root and FUSE"))
struct RootTests {
    static let program = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(
        path: "cvmfs"
    ).path

    struct Setting: ~Copyable {
        let made: ProvisionedRepository
        let provisioner: RootProvisioner
        let state: FilePath

        init() throws {
            var made = try ProvisionedRepository()
            try HostPrograms.add(to: &made.maker, at: "/one")
            try made.maker.file("/one/etc/name", Array("one\n".utf8))
            try made.publish()
            let state = FilePath(made.folder.path + "/state")
            let provisioner = try RootProvisioner(state: state, program: RootTests.program)
            self.made = made
            self.provisioner = provisioner
            self.state = state
        }

        deinit {
            // Of a test that failed before it had removed them.
            for (root, _) in (try? provisioner.roots()) ?? [] {
                try? provisioner.remove(FilePath(root.target), isForced: true)
            }
            _ = try? provisioner.clean()
        }

        func provision(_ name: String, isReadOnly: Bool = false) async throws -> ProvisionedRoot {
            let image = try await made.open().snapshot().image(at: "/one")
            let mount = MountConfiguration(
                repository: ProvisionedRepository.name, servers: [made.server], cache: made.cachePath.string,
                mountpoint: "")
            let target = FilePath("\(made.folder.path)/\(name)")
            return try await BlockingPool.shared.run { [provisioner] in
                try provisioner.provision(image, at: target, mount: mount, isReadOnly: isReadOnly)
            }
        }

        /// What is left in the folder of records, beside the lock and the empty folders.
        func leftovers() throws -> [String] {
            try ["roots", "mounts", "layers"].flatMap { try LocalFile.names(in: state.appending($0)) ?? [] }
        }

        func mounts() throws -> [String] {
            try HostAbilities.mounts().filter { $0.contains(made.folder.path) }
        }
    }

    @Test("shares its mount with others, has changes of its own, and leaves nothing when it is removed")
    func sharing() async throws {
        let setting = try Setting()
        let first = try await setting.provision("a")
        let second = try await setting.provision("b")
        #expect(first.mountpoint == second.mountpoint)
        #expect(readFile(first.target + "/etc/name") == Array("one\n".utf8))
        try writeFile(Array("changed\n".utf8), to: first.target + "/etc/name")
        #expect(readFile(second.target + "/etc/name") == Array("one\n".utf8))
        #expect(try setting.provisioner.roots().map(\.state) == [.ready, .ready])
        await #expect {
            try await setting.provision("a")
        } throws: { ($0 as? ProvisionerError)?.code == .exists }
        try setting.provisioner.remove(FilePath(first.target))
        #expect(readFile(second.target + "/etc/name") == Array("one\n".utf8))
        #expect(throws: ProvisionerError.self) { try setting.provisioner.remove(FilePath(first.target)) }
        try setting.provisioner.remove(FilePath(second.target))
        #expect(try setting.leftovers().isEmpty && setting.mounts().isEmpty)
        #expect(access(first.target, F_OK) != 0 && access(second.target, F_OK) != 0)
    }

    @Test("cannot be changed when it is read-only")
    func readOnly() async throws {
        let setting = try Setting()
        let root = try await setting.provision("a", isReadOnly: true)
        #expect(readFile(root.target + "/etc/name") == Array("one\n".utf8))
        #expect(throws: LocalServerError.self) { try writeFile([1], to: root.target + "/etc/name") }
        try setting.provisioner.remove(FilePath(root.target))
        #expect(try setting.leftovers().isEmpty && setting.mounts().isEmpty)
    }

    @Test("leaves nothing after everything was killed, again and again, once it is tidied up")
    func killing() async throws {
        let setting = try Setting()
        for _ in 0..<3 {
            let root = try await setting.provision("a")
            _ = try await setting.provision("b")
            let control = try MountControl(mountpoint: root.mountpoint)
            #expect(control.isAlive)
            // The keeper listens at the mount's socket; its death ends the mount, and the worker with it.
            try runToEnd(
                "/bin/sh",
                [
                    "-c",
                    """
                    for process in /proc/[0-9]*; do
                        for file in "$process"/fd/*; do
                            [ "$(readlink "$file")" = "socket:[$1]" ] && kill -9 "${process#/proc/}"
                        done
                    done; true
                    """, "sh", try socket(of: control.folder.socket),
                ], log: "/dev/null")
            try await until { !control.isAlive }
            #expect(try setting.provisioner.roots().map(\.state) == [.dead, .dead])
            #expect(try setting.provisioner.clean().count == 2)
            #expect(try setting.leftovers().isEmpty && setting.mounts().isEmpty)
        }
    }

    @Test("leaves nothing when everything is killed at any moment, once it is tidied up")
    func killedAtAnyMoment() async throws {
        let setting = try Setting()
        let folder = setting.made.folder.path
        try writeFile(try setting.made.maker.masterKeyPEM, to: folder + "/key.pub")
        // Scripts/soak does it a hundred times.
        let times = ProcessInfo.processInfo.environment["CVMFS_SOAK_KILLS"].flatMap { Int($0) } ?? 5
        for time in 0..<times {
            // From before the record to after the mount: a machine takes some tenths of a second for all of it.
            let delay = Double(time % 20) * 0.03
            try runToEnd(
                "/bin/sh",
                [
                    "-c",
                    """
                    export CVMFS_TEST="$3"
                    "$1" provision "$2" /one "$3/a" --key "$3/key.pub" --cache "$3/cache" --state "$3/state" &
                    sleep "$4"
                    kill -9 $!
                    # Until two looks find nobody: who is killed may just have started another, and who starts has
                    # neither name nor environment for a moment.
                    empty=0
                    while [ $empty -lt 2 ]; do
                        empty=$((empty + 1))
                        for process in /proc/[0-9]*; do
                            read -r name <"$process/comm" && [ "$name" = cvmfs ] || continue
                            grep -zqx "CVMFS_TEST=$3" "$process/environ" || continue
                            kill -9 "${process#/proc/}" && empty=0
                        done 2>/dev/null
                    done
                    wait; true
                    """, "sh", Self.program, setting.made.server, folder, "\(delay)",
                ], log: folder + "/log")
            // A process that was missed in the middle of its exec may come to a mountpoint that is about to go: then the
            // next call finds it.
            for _ in 0..<20 {
                try setting.provisioner.clean()
                if try (setting.leftovers() + setting.mounts()).isEmpty { break }
            }
            #expect(try setting.leftovers() == [], "after \(delay) s")
            #expect(try setting.mounts() == [], "after \(delay) s")
        }
    }

    @Test("of another boot, or of a namespace that has ended, is tidied up without touching what is mounted now")
    func foreignRecords() async throws {
        let setting = try Setting()
        let root = try await setting.provision("a")
        let folder = RootFolder(path: setting.state)
        let target = setting.made.folder.path + "/other"
        for (boot, namespace) in [("another boot", root.namespace), (root.boot, UInt64(1))] {
            let text = #"""
                {"target":"\#(target)","repository":"x","rootHash":"y","revision":1,"path":"/","mountpoint":"\#(target)",
                "ownsLayer":true,"ownsTarget":false,"boot":"\#(boot)","namespace":\#(namespace)}
                """#
            try writeFile(text.utf8, to: folder.records.appending("foreign.json").string)
            #expect(try setting.provisioner.roots().contains { $0.state == .dead })
            #expect(try setting.provisioner.clean() == [target])
            unlink(folder.records.appending("foreign.json").string)
        }
        #expect(readFile(root.target + "/etc/name") == Array("one\n".utf8))
        try setting.provisioner.remove(FilePath(root.target))
        #expect(try setting.leftovers().isEmpty && setting.mounts().isEmpty)
    }

    /// The kernel's number of the socket that listens at a path.
    private func socket(of path: String) throws -> String {
        let table = String(decoding: readFile("/proc/net/unix") ?? [], as: UTF8.self)
        // Connections to it bear its name, too; only who listens has the flag.
        let lines = table.split(separator: "\n").filter { $0.hasSuffix(path) }.map { $0.split(separator: " ") }
        return String(try #require(lines.first { $0[3] == "00010000" })[6])
    }
}
