import CVMFS
import CatalogFixtures
import FUSEMount
import Foundation
import LocalServers
import RepositoryMaker
import Signing
import Testing

extension MountTests {
    @Suite(.serialized) struct RevisionTests {
        @Test func `A new revision shows at once, and what is open keeps its content`() throws {
            var tree = try MountedTree()
            try tree.addSteadyFiles(30)
            try tree.file("/a/changed", Array("old".utf8))
            try tree.file("/a/removed", Array("gone".utf8))
            try tree.file("/a/same", Array("same".utf8))
            try tree.file("/nested/x/changed", Array("old too".utf8))
            tree.maker.symlink("/a/link", to: "changed")
            tree.maker.directory("/a/mode", mode: 0o755)
            try tree.maker.nested("/nested")
            // What is the same in both revisions, to the last byte.
            for path in ["/steady1", "/steady2/d3"] as [RepositoryPath] {
                tree.maker.changeCatalog(at: path) { catalog in
                    try catalog.maker.setProperty("revision", "1")
                    try catalog.maker.setProperty("last_modified", "1")
                }
            }
            _ = try tree.maker.publish()
            let mount = try tree.mount()
            func read(_ name: String) throws -> String { try ProbeRun.run("/bin/cat", [mount.path(name)]).output }
            func names(_ name: String) throws -> [String] { try ProbeRun.run("/bin/ls", [mount.path(name)]).lines }

            #expect(try mount.probe("list").status == 0)
            #expect(try read("/a/changed") == "old")
            // Absence is remembered, too.
            #expect(try ProbeRun.run("/bin/cat", [mount.path("/a/added")]).status != 0)
            let holder = try RunningProbe(ProbeRun.probe, ["hold", mount.path("/a/changed")])
            #expect(eventually { holder.output.contains("open") })
            // The kernel forgets folders when its memory is short, but not those of open files.
            let steady = try #require(tree.contents.keys.first { $0.hasPrefix("/steady1/") })
            let others = try [steady, "/nested/x/changed"].map {
                try RunningProbe(ProbeRun.probe, ["hold", mount.path($0)])
            }
            #expect(eventually { others.allSatisfy { $0.output.contains("open") } })

            try tree.file("/a/changed", Array("new, and longer".utf8))
            tree.remove("/a/removed")
            try tree.file("/a/added", Array("added".utf8))
            try tree.file("/nested/x/changed", Array("new too".utf8))
            tree.maker.symlink("/a/link", to: "same")
            tree.maker.directory("/a/mode", mode: 0o700)
            _ = try tree.maker.publish()
            let status = try mount.status(refresh: true)
            #expect(status.revision == 2)

            #expect(try read("/a/changed") == "new, and longer")
            #expect(try read("/a/added") == "added")
            #expect(try read("/nested/x/changed") == "new too")
            #expect(try read("/a/link") == "same")
            #expect(try ProbeRun.run("/bin/cat", [mount.path("/a/removed")]).status != 0)
            #expect(try names("/a") == ["added", "changed", "link", "mode", "same"])
            #expect(
                try mount.entries().first { $0.path.elementsEqual("/a/mode".utf8) }?.mode == 0o040700)
            // What was open before is what it was.
            try holder.tell("read")
            #expect(try holder.wait().lines.last == MountedTree.sha256(Array("old".utf8)))
            for other in others {
                try other.tell("read")
                #expect(try other.wait().status == 0)
            }
            // Only the folders of the two catalogs that are different were looked at.
            let change = try #require(status.lastChange)
            #expect(change[1] < change[0])
            #expect(change[2] == 6, "\(change)")
        }

        @Test func `A revision whose catalogs do not all come is shown when they do, and not in part before`() throws {
            var tree = try MountedTree()
            try tree.file("/a/file", Array("old".utf8))
            try tree.file("/nested/file", Array("old".utf8))
            try tree.maker.nested("/nested")
            _ = try tree.maker.publish()
            let mount = try tree.mount()
            func read(_ name: String) throws -> String { try ProbeRun.run("/bin/cat", [mount.path(name)]).output }
            // The kernel keeps the folders of files that are open.
            let holders = try ["/a/file", "/nested/file"].map {
                try RunningProbe(ProbeRun.probe, ["hold", mount.path($0)])
            }
            #expect(eventually { holders.allSatisfy { $0.output.contains("open") } })
            #expect(try read("/a/file") == "old" && read("/nested/file") == "old")

            let data = "\(tree.folder.path)/\(MountedTree.name)/data"
            func catalogs() -> Set<String> {
                Set(FileManager.default.subpaths(atPath: data)?.filter { $0.hasSuffix("C") } ?? [])
            }
            let before = catalogs()
            try tree.file("/a/file", Array("new".utf8))
            try tree.file("/nested/file", Array("new".utf8))
            let published = try tree.maker.publish()
            let root = "\(published.manifest.rootCatalog)C"
            let nested = catalogs().subtracting(before).filter { $0.split(separator: "/").joined() != root }
            #expect(nested.count == 1)
            for path in nested { #expect(rename("\(data)/\(path)", "\(data)/\(path).away") == 0) }
            #expect(try ProbeRun.tool("status", "--refresh", mount.mountpoint).status == 1)
            #expect(try read("/a/file") == "old" && read("/nested/file") == "old")
            #expect(try mount.status().revision == 1)

            for path in nested { #expect(rename("\(data)/\(path).away", "\(data)/\(path)") == 0) }
            #expect(try mount.status(refresh: true).revision == 2)
            #expect(try read("/a/file") == "new" && read("/nested/file") == "new")
            for holder in holders {
                try holder.tell("read")
                #expect(try holder.wait().lines.last == MountedTree.sha256(Array("old".utf8)))
            }
        }

        @Test func `A pinned state stays, whatever is published`() throws {
            var tree = try MountedTree()
            try tree.file("/file", Array("first".utf8))
            let first = try tree.maker.publish(tags: ["v1"])
            try tree.file("/file", Array("second".utf8))
            _ = try tree.maker.publish()
            for options in [["--tag", "v1"], ["--root-hash", "\(first.manifest.rootCatalog)"]] {
                let mount = try ServedMount(tree.urls[0], tree.options() + options)
                #expect(try ProbeRun.run("/bin/cat", [mount.path("/file")]).output == "first")
                #expect(try ProbeRun.tool("status", "--refresh", mount.mountpoint).status == 1)
                kill(try mount.status().process, 9)
                #expect(try ProbeRun.run("/bin/cat", [mount.path("/file")]).output == "first")
                #expect(try mount.status().revision == 1)
            }
        }

        @Test func `The time to live brings a new revision by itself`() throws {
            var tree = try MountedTree()
            try tree.file("/file", Array("first".utf8))
            _ = try tree.maker.publish(ttl: 1)
            let mount = try tree.mount()
            #expect(try ProbeRun.run("/bin/cat", [mount.path("/file")]).output == "first")
            try tree.file("/file", Array("second".utf8))
            _ = try tree.maker.publish(ttl: 1)
            #expect(try eventually { try ProbeRun.run("/bin/cat", [mount.path("/file")]).output == "second" })
        }
    }
}
