import CVMFS
import FUSEMount
import Foundation
import LocalServers
import RepositoryMaker
import Testing

/// Mounts whose files are read directly, or by the kernel from the cache.
extension MountTests {
    @Suite(.serialized) struct ReadingTests {
        private func steady() throws -> MountedTree {
            var tree = try MountedTree()
            try tree.addSteadyFiles()
            _ = try tree.maker.publish()
            return tree
        }

        /// Whether the kernel passes files through; not where the cache is on a stack of file systems.
        private func passesThrough(_ status: MountStatus) -> Bool {
            if let failure = status.readingFailure { print("not passed through: \(failure)") }
            return status.reading == "passthrough"
        }

        @Test(arguments: MountConfiguration.Reading.allCases)
        func `Files are the same in every way of reading, and status says which it is`(
            _ reading: MountConfiguration.Reading
        ) throws {
            let tree = try steady()
            let mount = try tree.mount("--io", reading.rawValue)
            for _ in 0..<2 {
                let found = try mount.entries()
                for (path, content) in tree.contents {
                    let entry = found.first { $0.path.elementsEqual(path.utf8) }
                    #expect(entry?.sha256 == MountedTree.sha256(content), "\(path)")
                }
            }
            let status = try mount.status()
            #expect(status.reading == reading.rawValue || status.readingFailure != nil)
            #expect(status.kernel.features.contains("no-open") == (status.reading == "cached"))
            #expect(status.ioErrors == 0)
            if reading == .passthrough, passesThrough(status) {
                let (path, content) = try #require(tree.contents.first { $0.value.count == 20_000 })
                for _ in 0..<3 {
                    let run = try ProbeRun.run("/usr/bin/cksum", [mount.path(path)])
                    #expect(run.output.contains(" \(content.count) "))
                }
                #expect(try mount.status().kernel.requestsByKind["READ"] == status.kernel.requestsByKind["READ"])
                // The last close is told afterwards.
                #expect(try eventually { try mount.status().passedThrough == 0 })
            }
        }

        @Test(arguments: [MountConfiguration.Reading.direct, .passthrough])
        func `Programs run, and files can be mapped`(_ reading: MountConfiguration.Reading) throws {
            var tree = try MountedTree()
            let program = try #require(readFile("/bin/true"))
            try tree.file("/true", program, mode: 0o755)
            try tree.file("/chunked", program, chunkSize: 16_384, mode: 0o755)
            _ = try tree.maker.publish()
            let mount = try tree.mount("--io", reading.rawValue)
            for path in ["/true", "/chunked"] {
                #expect(try ProbeRun.run(mount.path(path), []).status == 0)
                let mapped = try ProbeRun.run(ProbeRun.probe, ["map", mount.path(path)])
                #expect(mapped.lines == [MountedTree.sha256(program)])
            }
        }

        @Test(arguments: MountConfiguration.Reading.allCases)
        func `What is open outlives the worker, and can be opened again`(
            _ reading: MountConfiguration.Reading
        ) throws {
            let tree = try steady()
            let mount = try tree.mount("--io", reading.rawValue)
            let (path, content) = try #require(tree.contents.first { $0.value.count == 20_000 })
            let holder = try RunningProbe(ProbeRun.probe, ["hold", mount.path(path)])
            #expect(eventually { holder.output.contains("open") })
            for _ in 0..<3 {
                kill(try mount.status().process, SIGKILL)
                // The same file while it is open: the kernel would refuse another way.
                let again = try RunningProbe(ProbeRun.probe, ["hold", mount.path(path)])
                try again.tell("read")
                #expect(try again.wait().lines == ["open", MountedTree.sha256(content)])
            }
            let status = try mount.status()
            if reading == .passthrough, passesThrough(status) { #expect(status.passedThrough == 1) }
            try holder.tell("read")
            #expect(try holder.wait().lines.last == MountedTree.sha256(content))
            if status.passedThrough != nil { #expect(try eventually { try mount.status().passedThrough == 0 }) }
            #expect(try mount.status().ioErrors == 0)
        }

        @Test(arguments: [MountConfiguration.Reading.direct, .passthrough])
        func `No call fails when the worker is killed while files are opened`(
            _ reading: MountConfiguration.Reading
        ) throws {
            let tree = try steady()
            // Less room than the files need.
            let mount = try tree.mount("--io", reading.rawValue, "--cache-limit", "2MiB")
            let end = tree.folder.path + "/end"
            let running = try RunningProbe(
                ProbeRun.probe, ["stress", mount.mountpoint, "5000", "16", end], input: tree.steadyLines)
            for _ in 0..<10 { kill(try mount.status().process, SIGKILL) }
            _ = try mount.status()
            try writeFile([], to: end)
            let run = try running.wait()
            #expect(run.status == 0, "\(run.output)\(mount.log)")
            #expect(try mount.status().ioErrors == 0)
        }

        @Test func `How files are read stays as it is when another program takes the mount over`() throws {
            let tree = try steady()
            let mount = try tree.mount("--io", "direct")
            let options = ["mount", "--upgrade", tree.urls[0], mount.mountpoint] + tree.options()
            #expect(try ProbeRun.run(ProbeRun.tool, options).status == 0)
            #expect(try mount.status().reading == "direct")
            let other = try ProbeRun.run(ProbeRun.tool, options + ["--io", "passthrough"])
            #expect(other.status == 1 && other.errors.contains("cannot change"))
        }
    }
}
