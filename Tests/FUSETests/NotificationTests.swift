import FUSE
import MemoryFiles
import Testing

extension MountTests {
    @Suite("Notifications")
    struct NotificationTests {
        @Test("What the kernel keeps is believed until it is told otherwise")
        func invalidation() async throws {
            let isKept = try await oneOf(10) { () async throws -> Bool in
                let folder = try TestFolder()
                let files = MemoryFiles()
                let node = files.add("file", .bytes(Array("old\n".utf8)))
                let session = try Session.mount(files, at: folder.mountpoint, options: folder.options)
                let script = "cat $M/file; ls $M; test -e $M/new && echo new"
                #expect(try await Command.run(script, in: folder).output == "old\nfile\n")
                files.change(node) {
                    $0.content = .bytes(Array("newer\n".utf8))
                    $0.attributes.size = 6
                }
                files.add("new", .bytes([]))
                let isKept = try await Command.run(script, in: folder).output == "old\nfile\n"
                _ = try session.invalidate(node)
                // A listing belongs to its folder.
                _ = try session.invalidate(.root)
                let new = Array("new".utf8)
                _ = try session.invalidate(new.span, in: .root)
                #expect(try await Command.run(script, in: folder).output == "newer\nfile\nnew\nnew\n")
                // What it does not know it says.
                #expect(try session.invalidate(NodeID(rawValue: 4711)) == false)
                let absent = Array("absent".utf8)
                #expect(try session.invalidate(absent.span, in: .root) == false)
                try session.unmount()
                await session.ended()
                return isKept
            }
            #expect(isKept)
        }

        @Test("A name that was removed is gone, and one that expired is asked for again")
        func names() async throws {
            let folder = try TestFolder()
            let files = MemoryFiles()
            let gone = files.add("gone", .bytes(Array("1\n".utf8)))
            files.add("expired", .bytes(Array("2\n".utf8)))
            let session = try Session.mount(files, at: folder.mountpoint, options: folder.options)
            #expect(try await Command.run("cat $M/gone $M/expired", in: folder).output == "1\n2\n")
            files.remove("gone")
            let (name, other) = (Array("gone".utf8), Array("expired".utf8))
            _ = try session.delete(name.span, of: gone, in: .root)
            let lookups = session.requests(ofKind: 1)
            _ = try session.invalidate(other.span, in: .root, expireOnly: true)
            let found = try await Command.run("cat $M/expired; cat $M/gone 2>/dev/null || echo gone", in: folder)
            #expect(found.output == "2\ngone\n")
            #expect(session.requests(ofKind: 1) >= lookups + 2)
            try session.unmount()
            await session.ended()
        }

        @Test("Content that was stored is read without a request")
        func storing() async throws {
            let folder = try TestFolder()
            let files = MemoryFiles()
            let node = files.add("file", .failing(5), size: 7)
            let session = try Session.mount(files, at: folder.mountpoint, options: folder.options)
            let isKept = try await oneOf(10) { () async throws -> Bool in
                _ = try await Command.run("stat $M/file", in: folder)
                let content = Array("stored\n".utf8)
                let before = session.requests(ofKind: 15)
                guard try session.store(content.span.bytes, of: node, at: 0) else { return false }
                let found = try await Command.run("cat $M/file", in: folder).output
                return found == "stored\n" && session.requests(ofKind: 15) == before
            }
            #expect(isKept)
            try session.unmount()
            await session.ended()
        }

        @Test("Nodes that nobody uses are forgotten when the kernel is asked to")
        func pruning() async throws {
            let folder = try TestFolder()
            let files = MemoryFiles()
            let nodes = (0..<1500).map { files.add("file\($0)", .bytes([])) }
            files.countLookups()
            let session = try Session.mount(files, at: folder.mountpoint, options: folder.options)
            guard session.agreement.hasPrune else {
                #expect(throws: FUSEError.self) { try session.prune(nodes) }
                try session.unmount()
                return print("Pruning is not tested: this kernel cannot.")
            }
            _ = try await Command.run("ls -l $M", in: folder)
            #expect(session.requests(ofKind: 1) + session.requests(ofKind: 44) > 0)
            #expect(try session.prune(nodes))
            // One that somebody holds just then, as whoever looks for memory does, is passed over.
            await eventually {
                _ = try? session.prune(nodes)
                return nodes.allSatisfy { files.lookups(of: $0) == 0 }
            }
            try session.unmount()
            await session.ended()
        }
    }
}
