import CVMFS
import FUSEMount
import Foundation
import LocalServers
import RepositoryMaker
import Testing

extension MountTests {
    @Suite(.serialized) struct CallTests {
        private func refusable() throws -> MountedTree {
            var tree = try MountedTree()
            try tree.file("/file", Array("content".utf8))
            tree.maker.directory("/folder")
            tree.maker.symlink("/link", to: "file")
            tree.maker.symlink("/loop", to: "loop")
            _ = try tree.maker.publish()
            return tree
        }

        @Test func `Whatever would change it is refused, and calls that make no sense get their errors`() throws {
            let tree = try refusable()
            let mount = try tree.mount()
            let expected = """
                open for writing: EROFS
                open for both: EROFS
                open to truncate: EROFS
                create: EROFS
                create what is there, exclusively: EEXIST
                mkdir: EROFS
                mkdir of what is there: EEXIST
                rmdir: EROFS
                unlink: EROFS
                rename: EROFS
                link: EROFS
                symlink: EROFS
                mkfifo: EROFS
                chmod: EROFS
                chown: EROFS
                lchown of a symlink: EROFS
                truncate: EROFS
                utimes: EROFS
                setxattr: EROFS
                removexattr: EROFS
                stat of what is absent: ENOENT
                stat below a file: ENOTDIR
                stat of a name of 256 bytes: ENAMETOOLONG
                stat of a name of 255 bytes: ENOENT
                open of a symlink itself: ELOOP
                open of a loop: ELOOP
                open of a folder for writing: EISDIR
                open of a file as a folder: ENOTDIR
                readlink of a file: EINVAL
                read of a folder: EISDIR
                getxattr of what is absent: ENODATA
                getxattr into too little room: ERANGE
                access for writing: EROFS
                access for reading: done
                read behind the end: done
                """
            #expect(try mount.probe("refuse").lines == expected.split(separator: "\n").map(String.init))
        }

        @Test(arguments: [
            "no-open", "no-opendir", "readdirplus", "readdirplus-auto", "cached-symlinks", "splice-write", "max-pages",
            "parallel-directories", "async-read", "expire-only",
        ]) func `A kernel without a feature shows the same tree`(_ feature: String) throws {
            var tree = try MountedTree()
            try tree.addSteadyFiles(40)
            tree.maker.symlink("/steady0/link", to: "d0")
            _ = try tree.maker.publish()
            let mount = try tree.mount("--without", feature)
            let features = try mount.status().kernel.features
            #expect(!features.contains(feature))
            let found = try mount.entries()
            for (path, content) in tree.contents {
                let entry = found.first { $0.path.elementsEqual(path.utf8) }
                #expect(entry?.sha256 == MountedTree.sha256(content))
            }
        }

        @Test func `What has been read is read again without any request`() throws {
            var tree = try MountedTree()
            try tree.addSteadyFiles(60)
            _ = try tree.maker.publish()
            let mount = try tree.mount()
            // The kernel drops caches when memory is short: so until a pass asks nothing, some times.
            var asked: [UInt64] = []
            for _ in 0..<10 {
                let before = try mount.status().kernel.requestsByKind
                #expect(try ProbeRun.run("/usr/bin/find", [mount.mountpoint, "-ls"]).status == 0)
                #expect(
                    try ProbeRun.run(
                        "/bin/sh", ["-c", "find \"$1\" -type f -exec cat {} +", "sh", mount.mountpoint]
                    ).status == 0)
                let after = try mount.status().kernel.requestsByKind
                // `find` asks what kind of file system it is on.
                asked.append(
                    after.filter { $0.key != "STATFS" && !$0.key.hasSuffix("FORGET") }
                        .reduce(0) { $0 + $1.value - (before[$1.key] ?? 0) })
                if asked.last == 0 { break }
            }
            print("requests of each pass: \(asked)")
            #expect(asked.last == 0)
        }

        @Test func `What stays as it is has the same inodes and contents in every revision`() throws {
            var tree = try MountedTree()
            try tree.addSteadyFiles(60)
            try tree.file("/changing/file", Array("0".utf8))
            _ = try tree.maker.publish()
            let mount = try tree.mount()
            func steady() throws -> [ProbedEntry] {
                try mount.entries().filter { $0.path.starts(with: "/steady".utf8) }
            }
            let first = try steady()
            #expect(first.count > 60)
            for round in 1...3 {
                let again = try steady()
                #expect(again.map(\.path) == first.map(\.path))
                #expect(again.map(\.inode) == first.map(\.inode))
                #expect(again.map(\.sha256) == first.map(\.sha256))
                #expect(again.map(\.mode) == first.map(\.mode))
                try tree.file("/changing/file", Array("\(round)".utf8))
                _ = try tree.maker.publish()
                #expect(try mount.status(refresh: true).revision == UInt64(round + 1))
                let run = try ProbeRun.run("/bin/cat", [mount.path("/changing/file")])
                #expect(run.output == "\(round)")
            }
        }

        @Test func `Magic extended attributes say what the mount is`() throws {
            let tree = try refusable()
            let mount = try tree.mount()
            let root = try #require(try mount.entries().first { $0.path.isEmpty })
            func text(_ name: String) -> String? {
                root.xattrs["user.\(name)"].map { String(decoding: $0, as: UTF8.self) }
            }
            #expect(text("fqrn") == MountedTree.name)
            #expect(text("revision") == "1")
            #expect(text("host_list") == tree.urls[0])
            #expect(text("root_hash") == (try mount.status().rootHash))
            #expect(text("pubkeys")?.contains("BEGIN PUBLIC KEY") == true)
            #expect(text("repo_counters")?.contains("regular,1\n") == true)
            // Readable everywhere, listed at the root only.
            #expect(try mount.entries().first { $0.path.elementsEqual("/file".utf8) }?.xattrs.isEmpty == true)
            let always = try tree.mount("--magic-xattrs", "always")
            let file = try #require(try always.entries().first { $0.path.elementsEqual("/file".utf8) })
            #expect(file.xattrs["user.chunks"].map { String(decoding: $0, as: UTF8.self) } == "1")
            #expect(file.xattrs["user.lhash"] != nil)
            let link = try #require(try always.entries().first { $0.path.elementsEqual("/link".utf8) })
            #expect(link.xattrs["xfsroot.rawlink"] == Array("file".utf8))
        }

        @Test func `Owners, permissions and variables are as asked for`() throws {
            var tree = try MountedTree()
            try tree.file("/file", Array("content".utf8), mode: 0o640)
            tree.maker.symlink("/variable", to: "$(MOUNT_TEST_TARGET:-file)")
            _ = try tree.maker.publish()
            let map = try tree.folder.write("0 1234\n* 99\n".utf8, to: "map")
            let mount = try ServedMount(
                tree.urls[0], tree.options("--uid-map", map, "-o", "gid-map=\(map),world-readable"),
                environment: ["MOUNT_TEST_TARGET": "elsewhere"])
            let found = try mount.entries()
            let file = try #require(found.first { $0.path.elementsEqual("/file".utf8) })
            #expect(file.uid == 1234 && file.gid == 1234)
            #expect(file.mode == 0o100644)
            let link = try #require(found.first { $0.path.elementsEqual("/variable".utf8) })
            #expect(link.target == Array("elsewhere".utf8))
            #expect(link.size == 9)
        }

        @Test func `It can be mounted and unmounted again and again, and only once at a time`() throws {
            let tree = try refusable()
            let folder = try TemporaryFolder("again")
            let mountpoint = folder.path + "/mountpoint"
            mkdir(mountpoint, 0o755)
            defer { _ = try? ProbeRun.tool("umount", "--lazy", mountpoint) }
            for _ in 0..<5 {
                let arguments = ["mount", tree.urls[0], mountpoint, "--daemon"] + tree.options()
                let run = try ProbeRun.run(ProbeRun.tool, arguments)
                #expect(run.status == 0, "\(run.errors)")
                #expect(try ProbeRun.run(ProbeRun.tool, arguments).status == 1)
                #expect(try ProbeRun.run("/bin/cat", [mountpoint + "/file"]).output == "content")
                // In use it stays, unless it is let go lazily.
                let holder = try RunningProbe(ProbeRun.probe, ["hold", mountpoint + "/file"])
                #expect(eventually { holder.output.contains("open") })
                #expect(try ProbeRun.tool("umount", mountpoint).status == 1)
                try holder.tell("read")
                #expect(try holder.wait().lines.last == MountedTree.sha256(Array("content".utf8)))
                let removed = try ProbeRun.tool("umount", mountpoint)
                #expect(removed.status == 0, "\(removed.errors)")
            }
            #expect(try ProbeRun.tool("umount", mountpoint).status == 1)
            #expect(try ProbeRun.tool("status", mountpoint).status == 1)
        }

        @Test func `Of those who mount at one place at the same moment one does, and the others are told`() throws {
            let tree = try refusable()
            let folder = try TemporaryFolder("together")
            let mountpoint = folder.path + "/mountpoint"
            mkdir(mountpoint, 0o755)
            defer { _ = try? ProbeRun.tool("umount", "--lazy", mountpoint) }
            let arguments = ["mount", tree.urls[0], mountpoint, "--daemon"] + tree.options()
            for _ in 0..<3 {
                let all = try (0..<4).map { _ in try RunningProbe(ProbeRun.tool, arguments, input: []) }
                let ended = try all.map { try $0.wait() }
                #expect(ended.count { $0.status == 0 } == 1, "\(ended.map(\.errors))")
                for run in ended where run.status != 0 {
                    #expect(run.status == 1 && run.errors.contains(mountpoint), "\(run.errors)")
                }
                let table = String(decoding: readFile("/proc/self/mountinfo") ?? [], as: UTF8.self)
                #expect(table.split(separator: "\n").count { $0.contains(" \(mountpoint) ") } == 1)
                let removed = try ProbeRun.tool("umount", mountpoint)
                #expect(removed.status == 0, "\(removed.errors)")
            }
        }

        @Test(.enabled(if: geteuid() == 0, "only root can become somebody else"))
        func `An ordinary user mounts through fusermount3`() throws {
            let tree = try refusable()
            try tree.folder.write([], to: "fuse")
            mkdir(tree.folder.path + "/mountpoint", 0o777)
            for path in ["", "/mountpoint"] { #expect(chmod(tree.folder.path + path, 0o777) == 0) }
            // In a namespace of its own, since the device may be root's only.
            let script = """
                set -e
                folder=$1 tool=$2
                rm $folder/fuse
                mknod $folder/fuse c 10 229 && chmod 666 $folder/fuse && mount --bind $folder/fuse /dev/fuse || exit 77
                as="setpriv --reuid 65534 --regid 65534 --clear-groups"
                export HOME=$folder
                # Not that of another user, where this one may not write.
                unset XDG_RUNTIME_DIR
                # The program may lie where others cannot look.
                $as test -x $tool && $as test -x /usr/bin/fusermount3 && $as test -w /dev/fuse || exit 77
                $as $tool mount $3 $folder/mountpoint --daemon --key $folder/key.pub --cache $folder/users-cache --io passthrough
                trap "$as $tool umount --lazy $folder/mountpoint 2>/dev/null || true" EXIT
                $as cat $folder/mountpoint/file
                kill -9 $($as $tool status $folder/mountpoint --json | sed 's/.*"process":\\([0-9]*\\).*/\\1/')
                $as cat $folder/mountpoint/file
                # The kernel passes nothing through for him.
                $as $tool status $folder/mountpoint | grep -q "^Reading: *cached (no passthrough: only root"
                # Nobody else sees it.
                if setpriv --reuid 65533 --regid 65533 --clear-groups cat $folder/mountpoint/file 2>/dev/null; then exit 1; fi
                $as $tool umount $folder/mountpoint
                """
            let run = try ProbeRun.run(
                "/usr/bin/unshare",
                ["-m", "/bin/sh", "-c", script, "sh", tree.folder.path, ProbeRun.tool, tree.urls[0]])
            if run.status == 77 { return print("skipped: \(ProbeRun.tool), fusermount3 or the device is out of reach") }
            #expect(run.status == 0, "\(run.output)\(run.errors)")
            #expect(run.output == "contentcontent")
        }
    }
}
