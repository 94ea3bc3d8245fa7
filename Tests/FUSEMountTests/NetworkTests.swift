import CVMFS
import FUSEMount
import Foundation
import LocalServers
import RepositoryMaker
import Testing

extension MountTests {
    @Suite(.serialized) struct NetworkTests {
        @Test func `Without servers what is cached is read, the rest fails, and it recovers by itself`() throws {
            var tree = try MountedTree(servers: 1)
            try tree.file("/cached", Array("cached".utf8))
            try tree.file("/missing", Array("missing".utf8))
            try tree.file("/nested/file", Array("nested".utf8))
            try tree.maker.nested("/nested")
            _ = try tree.maker.publish()
            let mount = try tree.mount("--timeout", "1")
            #expect(try ProbeRun.run("/bin/cat", [mount.path("/cached")]).output == "cached")
            tree.servers[0].stop()

            #expect(try ProbeRun.run("/bin/cat", [mount.path("/cached")]).output == "cached")
            let missing = try ProbeRun.run("/bin/cat", [mount.path("/missing")])
            #expect(missing.status != 0 && missing.errors.contains("Input/output error"))
            #expect(try ProbeRun.run("/bin/ls", [mount.path("/nested")]).status != 0)
            // Another worker begins without any server, and so does another mount from the same cache.
            kill(try mount.status().process, 9)
            #expect(try ProbeRun.run("/bin/cat", [mount.path("/cached")]).output == "cached")
            do {
                let second = try tree.mount("--timeout", "1")
                #expect(try ProbeRun.run("/bin/cat", [second.path("/cached")]).output == "cached")
                #expect(try second.status().offline != nil)
            }
            #expect(try mount.status().ioErrors == 0 || mount.status().offline != nil)

            try tree.servers[0].start()
            #expect(try ProbeRun.run("/bin/cat", [mount.path("/missing")]).output == "missing")
            #expect(try ProbeRun.run("/bin/cat", [mount.path("/nested/file")]).output == "nested")
            let explained = try ProbeRun.tool("explain", mount.mountpoint, "--json")
            #expect(explained.lines.contains { $0.contains("/missing") && $0.contains("demand") })
        }

        @Test func `A program that waits for the network can be interrupted`() throws {
            var tree = try MountedTree(servers: 1)
            try tree.file("/nested/file", Array("content".utf8))
            try tree.maker.nested("/nested")
            _ = try tree.maker.publish()
            let mount = try tree.mount("--timeout", "30")
            #expect(try ProbeRun.run("/bin/ls", [mount.path("/")]).status == 0)
            try tree.servers[0].restart { $0.directives = "limit_rate 1;" }
            // Its catalog has to be fetched for the lookup, and does not come.
            let reader = try RunningProbe("/bin/cat", [mount.path("/nested/file")], input: [])
            #expect(try eventually { try mount.status().kernel.waiting > 0 })
            reader.interrupt()
            #expect(eventually { !reader.isRunning })
            #expect(try eventually { try mount.status().kernel.waiting == 0 })
            try tree.servers[0].restart { $0.directives = "" }
            #expect(try ProbeRun.run("/bin/cat", [mount.path("/nested/file")]).output == "content")
        }

        @Test func `A signal that only tells something ends no call, and one that is caught does`() throws {
            var tree = try MountedTree(servers: 1)
            try tree.file("/nested/file", Array("content".utf8))
            try tree.maker.nested("/nested")
            _ = try tree.maker.publish()
            let mount = try tree.mount("--timeout", "60")
            #expect(try ProbeRun.run("/bin/ls", [mount.path("/")]).status == 0)
            try tree.servers[0].restart { $0.directives = "limit_rate 1;" }
            let reader = try RunningProbe(ProbeRun.probe, ["signals", mount.path("/nested/file")])
            #expect(try eventually { try mount.status().kernel.waiting > 0 })
            for signal in [SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGUSR2] { reader.send(signal) }
            #expect(try eventually { try mount.status().kernel.requestsByKind["INTERRUPT"] ?? 0 > 0 })
            #expect(try mount.status().kernel.waiting > 0)
            #expect(reader.isRunning)
            // The kernel sends no second interrupt.
            reader.send(SIGUSR1)
            #expect(try reader.wait().lines == ["failed \(EINTR)"])
            #expect(try eventually { try mount.status().kernel.waiting == 0 })
        }

        @Test func `A cold sweep over a tree is fetched ahead`() throws {
            var tree = try MountedTree(servers: 1)
            for index in 0..<200 { try tree.file("/d\(index % 4)/f\(index)", Array("content \(index)".utf8)) }
            _ = try tree.maker.publish()
            let mount = try tree.mount()
            #expect(try mount.probe("list").status == 0)
            let status = try mount.status()
            #expect(status.fetched.ahead > 0)
            #expect(status.fetched.failures == 0)
            // Nothing twice, but what was under way when the reader was faster and a sweep began anew.
            let objects = try tree.servers[0].requests().filter { $0.target.contains("/data/") }.map(\.target)
            #expect(objects.count - Set(objects).count <= objects.count / 10)
        }
    }
}
