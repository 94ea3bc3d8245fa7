import CVMFS
import FUSEMount
import Foundation
import LocalServers
import RepositoryMaker
import Testing

@testable import Provisioner

/// Other programs that start containers, on a provisioned root. Each test is passed over where its program is missing.
@Suite(
    "A container runtime", .serialized,
    .enabled(if: geteuid() == 0 && HostAbilities.hasNamespaces && HostAbilities.hasFUSE, "needs root and FUSE"))
struct RuntimeTests {
    /// Provisions a root, calls the body with it, and removes it.
    private static func withRoot(
        named name: String, _ body: (_ root: ProvisionedRoot, _ folder: String) throws -> Void
    ) async throws {
        var made = try ProvisionedRepository()
        try HostPrograms.add(to: &made.maker, at: "/one")
        try made.maker.file("/one/etc/name", Array("one\n".utf8))
        try made.publish()
        let folder = made.folder.path
        let provisioner = try RootProvisioner(state: FilePath(folder + "/state"), program: RootTests.program)
        let image = try await made.open().snapshot().image(at: "/one")
        let mount = MountConfiguration(
            repository: ProvisionedRepository.name, servers: [made.server], cache: made.cachePath.string,
            mountpoint: "")
        try FileManager.default.createDirectory(atPath: folder + "/bundle", withIntermediateDirectories: false)
        let root = try await BlockingPool.shared.run {
            try provisioner.provision(image, at: FilePath("\(folder)/\(name)"), mount: mount)
        }
        defer { try? provisioner.remove(FilePath(root.target), isForced: true) }
        try body(root, folder)
    }

    private static let script = "cat /etc/name; echo changed >/etc/name; cat /etc/name"

    private static func check(_ log: String) {
        #expect(String(decoding: readFile(log) ?? [], as: UTF8.self) == "one\nchanged\n")
    }

    @Test("crun starts a bundle", .enabled(if: access("/usr/bin/crun", X_OK) == 0, "needs crun"))
    func crun() async throws {
        try await Self.withRoot(named: "bundle/rootfs") { root, folder in
            let program = ContainerProgram(arguments: ["sh", "-c", Self.script], environment: ["PATH=/bin"])
            try RuntimeBundle(program).write(to: FilePath(folder + "/bundle"))
            // A mount namespace with the second version of cgroups alone: crun 1.8 does not start beside the first.
            let script = """
                umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup || exit 0
                cd "$1" && exec crun --root "$2" run "cvmfs-test-$$" >"$3"
                """
            try runToEnd(
                "/usr/bin/unshare",
                ["-m", "sh", "-c", script, "sh", folder + "/bundle", folder + "/crun", folder + "/said"],
                log: folder + "/log")
            if readFile(folder + "/said") != nil { Self.check(folder + "/said") }
        }
    }

    @Test("bubblewrap takes the folder as its root", .enabled(if: access("/usr/bin/bwrap", X_OK) == 0, "needs bwrap"))
    func bubblewrap() async throws {
        try await Self.withRoot(named: "root") { root, folder in
            try runToEnd(
                "/usr/bin/bwrap",
                [
                    "--bind", root.target, "/", "--proc", "/proc", "--dev", "/dev", "--unshare-pid", "/bin/sh", "-c",
                    Self.script,
                ], log: folder + "/said")
            Self.check(folder + "/said")
        }
    }

    @Test("unshare does, too")
    func unshare() async throws {
        try await Self.withRoot(named: "root") { root, folder in
            try runToEnd(
                "/usr/bin/unshare",
                ["--mount", "--pid", "--fork", "--root", root.target, "--mount-proc", "/bin/sh", "-c", Self.script],
                log: folder + "/said")
            Self.check(folder + "/said")
        }
    }

    @Test(
        "systemd-nspawn does, too",
        .enabled(if: access("/usr/bin/systemd-nspawn", X_OK) == 0, "needs systemd-nspawn"))
    func nspawn() async throws {
        try await Self.withRoot(named: "root") { root, folder in
            // Where systemd does not run, there is nobody to register the machine with.
            let command = """
                exec timeout 60 systemd-nspawn --quiet --pipe --register=no --keep-unit --machine="cvmfs-test-$$" \
                    --directory "$1" /bin/sh -c "$2" </dev/null >"$3"
                """
            // What nspawn wants of a machine differs; where it does not start a plain folder, this one is no test.
            let plain = folder + "/plain"
            for (path, content) in HostPrograms.files {
                let file = FilePath(plain + path)
                try FileManager.default.createDirectory(
                    atPath: file.removingLastComponent().string, withIntermediateDirectories: true)
                try writeFile(content, to: file.string)
                chmod(file.string, 0o755)
            }
            mkdir(plain + "/usr", 0o755)
            let words = { ["-c", command, "sh", $0, $1, folder + "/said"] as [String] }
            guard (try? runToEnd("/bin/sh", words(plain, "exit 0"), log: folder + "/log")) != nil else { return }
            mkdir(root.target + "/usr", 0o755)
            try runToEnd("/bin/sh", words(root.target, Self.script), log: folder + "/log")
            Self.check(folder + "/said")
        }
    }

    @Test("gets a configuration that says what the image says")
    func bundle() throws {
        let user = ImageUser(id: 33, group: 34, groups: [50], home: "/srv")
        let program = ContainerProgram(arguments: ["/x", "y"], environment: ["A=b"], folder: "/srv", user: user)
        let bytes = try RuntimeBundle(program, hostname: "h", isReadOnly: true).configuration()
        let json = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
        let process = try #require(json["process"] as? [String: Any])
        #expect(process["args"] as? [String] == ["/x", "y"])
        #expect(process["cwd"] as? String == "/srv")
        #expect((process["user"] as? [String: Any])?["additionalGids"] as? [Int] == [50])
        #expect((json["root"] as? [String: Any])?["readonly"] as? Bool == true)
        #expect(json["hostname"] as? String == "h")
        // An ordinary user's: one mapped user, no groups beside.
        let rootless = try RuntimeBundle(program, mapping: (1000, 1001)).configuration()
        let other = try #require(try JSONSerialization.jsonObject(with: Data(rootless)) as? [String: Any])
        let linux = try #require(other["linux"] as? [String: Any])
        #expect((linux["uidMappings"] as? [[String: Any]])?.map { $0["hostID"] as? Int } == [1000])
        #expect(((other["process"] as? [String: Any])?["user"] as? [String: Any])?["additionalGids"] == nil)
        // With others set aside.
        let others = SubordinateIDs(users: 5000..<6000, groups: 7000..<7500, userMapper: "", groupMapper: "")
        let more = try RuntimeBundle(program, mapping: (1000, 1001), subordinates: others).configuration()
        let wider = try #require(try JSONSerialization.jsonObject(with: Data(more)) as? [String: Any])
        let maps = try #require((wider["linux"] as? [String: Any])?["gidMappings"] as? [[String: Int]])
        #expect(maps.last == ["containerID": 1, "hostID": 7000, "size": 500])
        #expect(((wider["process"] as? [String: Any])?["user"] as? [String: Any])?["additionalGids"] as? [Int] == [50])
        // JSON has no words that are not UTF-8.
        #expect(throws: ProvisionerError.self) {
            try RuntimeBundle(ContainerProgram(words: [[0x2F, 0xFF]])).configuration()
        }
    }
}
