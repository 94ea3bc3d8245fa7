import CVMFS
import Glibc
import LocalServers
import Testing

@testable import Provisioner

/// On the host's own root as lower layer. They need root; an ordinary user's containers are run by the tool's tests.
@Suite("A container", .enabled(if: geteuid() == 0 && HostAbilities.hasNamespaces, "needs root and namespaces"))
struct ContainerTests {
    /// Runs a script in a container, with a folder of the host at /out.
    private static func run(
        _ script: String, in folder: borrowing TemporaryFolder, user: ImageUser = .root,
        options: ContainerOptions = ContainerOptions()
    ) async throws -> ContainerStatus {
        var options = options
        options.binds.append(ContainerBind(FilePath(folder.path), at: "/out"))
        let program = ContainerProgram(
            arguments: ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin", "A=b c"], user: user)
        return try await Container.start(program, on: .folder("/"), options: options).ended()
    }

    private static func text(_ name: String, in folder: borrowing TemporaryFolder) -> String {
        String(decoding: readFile("\(folder.path)/\(name)") ?? [], as: UTF8.self)
    }

    @Test("runs its program in namespaces of its own, and passes on how it ended")
    func namespaces() async throws {
        let folder = try TemporaryFolder("container")
        let status = try await Self.run(
            """
            { echo $$; hostname; echo "$A"; cat /proc/1/comm; echo /proc/[0-9]*; } >/out/said; env >/out/env; exit 42
            """, in: folder)
        #expect(status == .exited(42))
        let said = Self.text("said", in: folder).split(separator: "\n")
        try #require(said.count == 5)
        #expect(said[1...3] == ["cvmfs", "b c", "cvmfs-init"])
        // Its first process, the shell, and what the shell started.
        #expect(said[0] == "2" && said[4].split(separator: " ").count <= 4)
        #expect(!Self.text("env", in: folder).contains("TMPDIR"))
        #expect(try await Self.run("kill -9 $$", in: folder) == .killed(signal: 9))
    }

    @Test("has a root that it can change, and no other sees")
    func overlay() async throws {
        let folder = try TemporaryFolder("container")
        let layer = try TemporaryFolder("layer")
        let options = ContainerOptions(layer: FilePath(layer.path))
        #expect(
            try await Self.run("echo new >/changed; rm -rf /etc/hostname", in: folder, options: options).exitCode == 0)
        #expect(access("/changed", F_OK) != 0)
        #expect(readFile(layer.path + "/upper/changed") == Array("new\n".utf8))
        let again = "cat /changed >/out/kept; test ! -e /etc/hostname"
        #expect(try await Self.run(again, in: folder, options: options).exitCode == 0)
        #expect(Self.text("kept", in: folder) == "new\n")
        // In memory: gone with the container.
        #expect(try await Self.run("echo new >/changed", in: folder).exitCode == 0)
        #expect(try await Self.run("test -e /changed", in: folder).exitCode == 1)
        let readOnly = ContainerOptions(isReadOnly: true)
        #expect(try await Self.run("echo new >/changed", in: folder, options: readOnly).exitCode != 0)
    }

    @Test("has the usual devices, and makes or opens no others")
    func devices() async throws {
        let folder = try TemporaryFolder("container")
        let script = """
            for name in null zero full random urandom; do test -c /dev/$name || exit 3; done
            head -c 4 /dev/zero >/out/zeros && echo x >/dev/null && echo shared >/dev/shm/x || exit 4
            mknod /dev/disk b 254 0 2>/dev/null && exit 5
            mknod /disk b 254 0 2>/dev/null && exit 6
            ls /dev >/out/list
            """
        #expect(try await Self.run(script, in: folder) == .exited(0))
        #expect(readFile(folder.path + "/zeros") == [0, 0, 0, 0])
        let list = Self.text("list", in: folder).split(separator: "\n").filter { $0 != "tty" }
        #expect(
            list == [
                "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero",
            ])
    }

    @Test("cannot change the host's settings, nor have more rights than containers have")
    func rights() async throws {
        let folder = try TemporaryFolder("container")
        let script = """
            cat /proc/sys/kernel/printk >/proc/sys/kernel/printk 2>/dev/null && exit 3
            echo h >/proc/sysrq-trigger 2>/dev/null && exit 4
            test -s /proc/kcore && exit 5
            mount -t tmpfs none /mnt 2>/dev/null && exit 6
            umount /proc 2>/dev/null && exit 7
            mkdir /sys/fs/cgroup/other 2>/dev/null && exit 8
            sed -n 's/^CapBnd:.//p' /proc/self/status >/out/rights
            """
        #expect(try await Self.run(script, in: folder) == .exited(0))
        // No more than these; fewer where this process has not all of them itself.
        let rights = try #require(UInt64(Self.text("rights", in: folder).dropLast(), radix: 16))
        #expect(rights & ~0xa004_25fb == 0 && rights != 0)
    }

    @Test("runs as the user that it is told, with its groups")
    func user() async throws {
        let folder = try TemporaryFolder("container", isOpen: true)
        let user = ImageUser(id: 1234, group: 2345, groups: [50, 60])
        #expect(
            try await Self.run("{ id -u; id -G; grep CapEff /proc/self/status; } >/out/id", in: folder, user: user)
                == .exited(0))
        #expect(Self.text("id", in: folder) == "1234\n2345 50 60\nCapEff:\t0000000000000000\n")
    }

    @Test("says what fails, and leaves nothing")
    func failures() async throws {
        for (words, code) in [
            (["/no/such"], ProvisionerError.Code.program), (["no-such"], .program), (["/etc"], .program),
        ] {
            await #expect {
                try await Container.start(ContainerProgram(arguments: words), on: .folder("/"))
            } throws: { ($0 as? ProvisionerError)?.code == code }
        }
        await #expect {
            try await Container.start(ContainerProgram(arguments: ["true"]), on: .folder("/no/such"))
        } throws: { ($0 as? ProvisionerError)?.code == .refused }
        await #expect {
            try await Container.start(ContainerProgram(arguments: ["a\0b"]), on: .folder("/"))
        } throws: { ($0 as? ProvisionerError)?.code == .invalidArgument }
        #expect(try HostAbilities.containerMounts().isEmpty)
    }

    @Test("refuses an image whose mountpoints are symlinks", arguments: ["proc", "dev", "sys"])
    func hostileMountpoints(_ name: String) async throws {
        let root = try TemporaryFolder("hostile")
        let outside = try TemporaryFolder("outside")
        #expect(Glibc.symlink(outside.path, "\(root.path)/\(name)") == 0)
        await #expect {
            try await Container.start(ContainerProgram(arguments: ["/true"]), on: .folder(FilePath(root.path)))
        } throws: { error in
            (error as? ProvisionerError)?.code == .refused && "\(error)".contains("/\(name)")
        }
    }

    @Test("ends with all that it started when it is killed, or its task cancelled")
    func killing() async throws {
        let folder = try TemporaryFolder("container")
        let program = ContainerProgram(arguments: ["/bin/sh", "-c", "sleep 1000 & sleep 1000"])
        for cancels in [false, true] {
            let container = try await Container.start(program, on: .folder("/"))
            let waiting = Task { try await container.ended() }
            if cancels { waiting.cancel() } else { container.kill() }
            #expect(try await waiting.value == .killed(signal: 9))
            #expect(Glibc.kill(container.processID, 0) != 0)
        }
        // A signal to its first process reaches the program.
        let script = "trap 'exit 9' TERM; echo ready >/out/ready; while :; do sleep 0.01; done"
        let options = ContainerOptions(binds: [ContainerBind(FilePath(folder.path), at: "/out")])
        let container = try await Container.start(
            ContainerProgram(arguments: ["/bin/sh", "-c", script]), on: .folder("/"), options: options)
        try await until { readFile(folder.path + "/ready") != nil }
        Glibc.kill(container.processID, SIGTERM)
        #expect(try await container.ended() == .exited(9))
    }
}

/// Waits until something holds that another process brings about; two minutes at most.
func until(_ condition: () throws -> Bool) async throws {
    for _ in 0..<24_000 {
        if try condition() { return }
        try await Task.sleep(for: .milliseconds(5))
    }
    throw NeverCame()
}

/// What a test waited for.
struct NeverCame: Error {}

/// What this machine lets tests do.
enum HostAbilities {
    /// Whether namespaces and overlays can be had, as they cannot in some containers.
    static let hasNamespaces: Bool = {
        (try? runToEnd("/usr/bin/unshare", ["-m", "-p", "-f", "/bin/true"], log: "/dev/null")) != nil
    }()

    /// Whether FUSE's device can be opened.
    static let hasFUSE = access("/dev/fuse", R_OK | W_OK) == 0

    /// Mounts of containers, which must never be seen here.
    static func containerMounts() throws -> [String] { try mounts().filter { $0.contains("cvmfs-run") } }

    /// All mounts of this process's namespace.
    static func mounts() throws -> [String] {
        let table = try #require(readFile("/proc/self/mountinfo"))
        return String(decoding: table, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
