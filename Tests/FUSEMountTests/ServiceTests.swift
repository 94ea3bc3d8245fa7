import CMount
import CVMFS
import FUSEMount
import Foundation
import LocalServers
import RepositoryMaker
import SystemPackage
import Testing

/// What systemd does with a mount, and mount(8).
extension MountTests {
    @Suite(.serialized) struct ServiceTests {
        private func smallTree() throws -> MountedTree {
            var tree = try MountedTree()
            try tree.file("/file", Array("content".utf8))
            try tree.file("/other", Array("other".utf8))
            _ = try tree.maker.publish()
            return tree
        }

        @Test func `A service manager hears when a mount is ready, is taken over and ends`() throws {
            let tree = try smallTree()
            let manager = try FakeManager(in: tree.folder)
            var mount = try ServedMount(tree.urls[0], tree.options(), environment: ["NOTIFY_SOCKET": manager.path])
            #expect(try manager.hear("READY=1").contains("is mounted at \(mount.mountpoint)"))
            #expect(try ProbeRun.tool("mount", "--upgrade", mount.mountpoint).status == 0)
            #expect(try manager.hear("RELOADING=1").contains("MONOTONIC_USEC="))
            _ = try manager.hear("READY=1")
            let bad = try ProbeRun.run(
                ProbeRun.tool, ["mount", "--upgrade", tree.urls[0], mount.mountpoint] + tree.options("--tag", "none"))
            #expect(bad.status == 1)
            _ = try manager.hear("RELOADING=1")
            #expect(try manager.hear("READY=1").contains("could not be taken over"))
            #expect(manager.kept.isEmpty)
            mount.stop()
            _ = try manager.hear("STOPPING=1")
        }

        @Test func `A mount whose descriptors are kept outlives its keeper`() throws {
            let tree = try smallTree()
            let manager = try FakeManager(in: tree.folder)
            let mount = try ServedMount(
                tree.urls[0], tree.options("--fd-store"), environment: ["NOTIFY_SOCKET": manager.path])
            _ = try manager.hear("READY=1")
            #expect(Set(manager.kept.keys).isSuperset(of: ["cvmfs-state", "cvmfs-nodes", "cvmfs-device-0"]))
            let holder = try RunningProbe(ProbeRun.probe, ["hold", mount.path("/file")])
            #expect(eventually { holder.output.contains("open") })
            var keeper = mount.keeperProcess
            for _ in 0..<3 {
                let worker = try mount.status().process
                kill(keeper, SIGKILL)
                // systemd ends all processes of a service before it starts it again.
                #expect(eventually { isGone(worker) && isGone(keeper) })
                let reader = try RunningProbe("/bin/cat", [mount.path("/other")], input: [])
                keeper = try manager.restart(
                    ["mount", tree.urls[0], mount.mountpoint, "--fd-store"] + tree.options(), tree.folder)
                _ = try manager.hear("READY=1")
                #expect(try reader.wait().output == "other")
                #expect(try mount.status().process != worker)
                #expect(try mount.status().ioErrors == 0)
            }
            try holder.tell("read")
            #expect(try holder.wait().lines.last == MountedTree.sha256(Array("content".utf8)))
            #expect(try ProbeRun.tool("umount", mount.mountpoint).status == 0)
            #expect(eventually { isGone(keeper) })
            #expect(try ProbeRun.run("/bin/mountpoint", ["-q", mount.mountpoint]).status != 0)
            // What was kept is of no use any more: it is let go, and mounted anew.
            keeper = try manager.restart(
                ["mount", tree.urls[0], mount.mountpoint, "--fd-store"] + tree.options(), tree.folder)
            _ = try manager.hear("READY=1")
            #expect(try ProbeRun.run("/bin/cat", [mount.path("/file")]).output == "content")
            #expect(try ProbeRun.tool("umount", mount.mountpoint).status == 0)
            #expect(eventually { isGone(keeper) })
        }

        @Test(.enabled(if: geteuid() == 0, "only root can mount with mount(8)"))
        func `What is installed is found by mount and fstab`() throws {
            let tree = try smallTree()
            let scripts = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: "Scripts/install").path
            mkdir(tree.folder.path + "/mountpoint", 0o755)
            // In a namespace of its own, where what is installed is where it would be.
            let script = """
                set -e
                folder=$1 tool=$2 name=$3 scripts=$4
                prefix=$folder/prefix
                DESTDIR=$folder/root "$scripts" --prefix "$prefix" --program "$tool" >/dev/null
                grep -q "^ExecStart=$prefix/bin/cvmfs mount" $folder/root/etc/systemd/system/cvmfs@.service
                mkdir $prefix
                mount --bind $folder/root$prefix $prefix || exit 77
                mount -t overlay overlay -o lowerdir=$folder/root/sbin:/usr/sbin /usr/sbin || exit 77
                options="server=file://$folder/@fqrn@,key=$folder/key.pub,cache=$folder/cache"
                trap "umount -l $folder/mountpoint 2>/dev/null || true" EXIT
                mount -t cvmfs $name $folder/mountpoint -o "$options,nodev"
                grep -q "^$name $folder/mountpoint fuse.cvmfs ro" /proc/self/mounts
                cat $folder/mountpoint/file
                umount $folder/mountpoint
                echo "$name $folder/mountpoint cvmfs $options,_netdev,noauto 0 0" >$folder/fstab
                mount --fstab $folder/fstab $folder/mountpoint
                cat $folder/mountpoint/other
                umount $folder/mountpoint
                ! mount -t cvmfs $name $folder/mountpoint -o "$options,nonsense" 2>/dev/null
                """
            let run = try ProbeRun.run(
                "/usr/bin/unshare",
                [
                    "-m", "/bin/bash", "-c", script, "bash", tree.folder.path, ProbeRun.tool, MountedTree.name, scripts,
                ])
            if run.status == 77 { return print("skipped: nothing can be put in the way of /usr/sbin: \(run.errors)") }
            #expect(run.status == 0, "\(run.output)\(run.errors)")
            #expect(run.output == "contentother")
        }
    }
}

/// Hears what a service tells its manager, and keeps its descriptors.
private final class FakeManager {
    let path: String
    private(set) var kept: [String: Int32] = [:]
    private let socket: Int32
    private var heard: [String] = []

    init(in folder: borrowing TemporaryFolder) throws {
        path = folder.path + "/notify"
        socket = Foundation.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard socket >= 0, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw MountTestError("no socket at \(path)")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let bound = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0 else { throw MountTestError("nothing can be heard at \(path)") }
        _ = cmount_set_patience(socket, 60_000)
    }

    deinit {
        close(socket)
        for descriptor in kept.values { close(descriptor) }
    }

    /// Waits for a message that begins so, doing what others say.
    func hear(_ beginning: String) throws -> String {
        while true {
            var bytes = [UInt8](repeating: 0, count: 4096)
            var descriptors = [Int32](repeating: -1, count: Int(CMOUNT_DESCRIPTORS))
            var found = 0
            let count = cmount_receive(socket, &bytes, bytes.count, &descriptors, &found)
            guard count > 0 else { throw MountTestError("no \(beginning) was heard, but \(heard)") }
            let text = String(decoding: bytes[..<count], as: UTF8.self)
            heard.append(text)
            let name = text.split(separator: "\n").first { $0.hasPrefix("FDNAME=") }.map { String($0.dropFirst(7)) }
            if text.hasPrefix("FDSTORE=1"), let name, found == 1 {
                if let old = kept.updateValue(descriptors[0], forKey: name) { close(old) }
            } else {
                for descriptor in descriptors.prefix(found) { close(descriptor) }
            }
            if text.hasPrefix("FDSTOREREMOVE=1"), let name, let old = kept.removeValue(forKey: name) { close(old) }
            if text.hasPrefix(beginning) { return text }
        }
    }

    /// Starts the service again, with what was kept.
    func restart(_ arguments: [String], _ folder: borrowing TemporaryFolder) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let names = kept.keys.sorted().reversed()
        // From far above all targets, so that no target overwrites a later source.
        let sources = names.map { fcntl(kept[$0] ?? -1, F_DUPFD_CLOEXEC, 200) }
        defer { for source in sources { close(source) } }
        for (index, source) in sources.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, source, Int32(3 + index))
        }
        let log = folder.path + "/service.log"
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let words =
            [
                "/usr/bin/env", "NOTIFY_SOCKET=\(path)", "HOME=\(folder.path)", "LISTEN_FDS=\(sources.count)",
                "LISTEN_FDNAMES=\(names.joined(separator: ":"))", "/bin/sh", "-c",
                "LISTEN_PID=$$ exec \"$@\"", "sh", ProbeRun.tool,
            ] + arguments
        let copies = words.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        var child: pid_t = 0
        let error = posix_spawn(&child, words[0], &actions, &attributes, copies + [nil], environ)
        guard error == 0 else { throw MountTestError("the service cannot be started again: errno \(error)") }
        return child
    }
}
