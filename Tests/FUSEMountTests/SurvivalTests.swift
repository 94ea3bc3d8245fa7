import CVMFS
import FUSEMount
import Foundation
import LocalServers
import RepositoryMaker
import Testing

/// What a mount goes on through, with programs reading all the time.
extension MountTests {
    @Suite(.serialized) struct SurvivalTests {
        /// How often a worker is killed; a thousand in the long run of Scripts/soak.
        private static let kills =
            ProcessInfo.processInfo.environment["CVMFS_MOUNT_KILLS"].flatMap(Int.init) ?? 20

        private func stress(_ mount: borrowing ServedMount, _ lines: [UInt8], until end: String) throws -> RunningProbe
        {
            try RunningProbe(ProbeRun.probe, ["stress", mount.mountpoint, "10000", "16", end], input: lines)
        }

        private func finish(_ running: RunningProbe, _ end: String, _ mount: borrowing ServedMount) throws {
            try writeFile([], to: end)
            let run = try running.wait()
            #expect(run.status == 0, "\(run.output)\(mount.log)")
        }

        @Test func `No call fails when the worker is killed again and again`() throws {
            var tree = try MountedTree()
            try tree.addSteadyFiles()
            _ = try tree.maker.publish()
            let mount = try tree.mount()
            let end = tree.folder.path + "/end"
            let running = try stress(mount, tree.steadyLines, until: end)
            var workers: Set<Int32> = []
            for _ in 0..<Self.kills {
                // It answers: so it serves, and programs have gone on.
                let status = try mount.status()
                workers.insert(status.process)
                kill(status.process, SIGKILL)
            }
            _ = try mount.status()
            try finish(running, end, mount)
            #expect(workers.count == Self.kills)
            #expect(try mount.status().ioErrors == 0)
        }

        @Test func `No call fails and no byte is wrong through new revisions, restarts, evictions and kills`() throws {
            var tree = try MountedTree(servers: 2)
            try tree.addSteadyFiles()
            try tree.file("/changing/file", Array("0".utf8))
            _ = try tree.maker.publish()
            // Far less room than the files need.
            let mount = try tree.mount("--cache-limit", "2MiB")
            let end = tree.folder.path + "/end"
            let running = try stress(mount, tree.steadyLines, until: end)
            for round in 1...6 {
                try tree.file("/changing/file", Array("\(round)".utf8))
                try tree.file("/changing/new\(round)", Array("new".utf8))
                try tree.file("/steady1/d1/extra\(round)", Array("extra".utf8))
                _ = try tree.maker.publish()
                let status = try mount.status(refresh: true)
                #expect(status.revision == UInt64(round + 1))
                // One server at a time: the other one answers.
                try tree.servers[round % 2].restart { _ in }
                if round % 2 == 0 { kill(status.process, SIGKILL) }
                let run = try ProbeRun.run("/bin/cat", [mount.path("/changing/file")])
                #expect(run.output == "\(round)")
            }
            try finish(running, end, mount)
        }

        @Test func `Another program takes a mount over while it is used, and other settings`() throws {
            var tree = try MountedTree()
            try tree.addSteadyFiles()
            _ = try tree.maker.publish()
            let mount = try tree.mount()
            let end = tree.folder.path + "/end"
            let running = try stress(mount, tree.steadyLines, until: end)
            let before = try mount.status().process
            for _ in 0..<3 {
                let run = try ProbeRun.tool("mount", "--upgrade", mount.mountpoint)
                #expect(run.status == 0, "\(run.errors)")
            }
            #expect(try mount.status().process != before)
            // With settings: another cache.
            let other = tree.folder.path + "/other-cache"
            let run = try ProbeRun.run(
                ProbeRun.tool,
                ["mount", "--upgrade", tree.urls[0], mount.mountpoint, "--key", tree.key, "--cache", other])
            #expect(run.status == 0, "\(run.errors)")
            #expect(try mount.status().cache.path == other)
            // A new one that cannot begin changes nothing.
            let bad = try ProbeRun.run(
                ProbeRun.tool,
                [
                    "mount", "--upgrade", "file:///nowhere/" + MountedTree.name, mount.mountpoint, "--key", "/nowhere",
                    "--cache", other, "--tag", "none",
                ])
            #expect(bad.status == 1)
            #expect(try mount.status().cache.path == other)
            try finish(running, end, mount)
        }

        @Test func `The keeper's death ends the mount, and that of all of them leaves one that umount removes`() throws
        {
            var tree = try MountedTree()
            try tree.file("/file", Array("x".utf8))
            _ = try tree.maker.publish()
            do {
                let mount = try tree.mount()
                let worker = try mount.status().process
                kill(mount.keeperProcess, SIGKILL)
                #expect(eventually { isGone(worker) })
                #expect(try ProbeRun.run("/bin/mountpoint", ["-q", mount.mountpoint]).status != 0)
            }
            do {
                let mount = try tree.mount()
                let worker = try mount.status().process
                kill(worker, SIGSTOP)
                kill(mount.keeperProcess, SIGKILL)
                kill(worker, SIGKILL)
                let run = try eventually { try ProbeRun.run("/bin/cat", [mount.path("/file")]).status != 0 }
                #expect(run)
                let removed = try ProbeRun.tool("umount", mount.mountpoint)
                #expect(removed.status == 0, "\(removed.errors)")
                #expect(try ProbeRun.run("/bin/mountpoint", ["-q", mount.mountpoint]).status != 0)
            }
        }
    }
}
