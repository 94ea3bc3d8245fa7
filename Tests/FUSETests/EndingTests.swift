import FUSE
import Glibc
import MemoryFiles
import SystemPackage
import Testing

extension MountTests {
    @Suite("How mounts end")
    struct EndingTests {
        @Test("A mount in use is not removed, and removed lazily it serves on until nobody uses it")
        func busy() async throws {
            let folder = try TestFolder()
            let session = try Session.mount(MountTests.small(), at: folder.mountpoint, options: folder.options)
            let go = folder.path + "/go"
            let user = try Command(
                "exec <$M/folder/hello; cd $M; echo in; until test -e \(go); do sleep 0.01; done; cat; cat link",
                in: folder)
            await eventually { user.output == "in\n" }
            #expect(throws: FUSEError.self) { try session.unmount() }
            #expect(Mountpoint(folder.mountpoint).mounted?.type == "fuse.memory")
            try session.unmount(lazily: true)
            #expect(Mountpoint(folder.mountpoint).mounted == nil)
            #expect(session.isRunning)
            Files.write([], to: go)
            #expect(await user.ended().output == "in\nHello, kernel!\nHello, kernel!\n")
            await session.ended()
        }

        @Test("All threads end with the mount")
        func threads() async throws {
            for workers in [1, 5] {
                let folder = try TestFolder()
                let session = try Session.mount(
                    NoFiles(), at: folder.mountpoint, options: folder.options, workers: workers)
                #expect(session.report.workers == workers)
                try session.unmount()
                await session.ended()
                await eventually { Self.threads() == 0 }
                #expect(session.descriptors.isEmpty)
                #expect(throws: FUSEError.self) { try session.invalidate(.root) }
            }
        }

        @Test("However many threads end at the same moment, one of them says so")
        func endingTogether() async throws {
            for _ in 0..<40 {
                let folder = try TestFolder()
                let session = try Session.mount(NoFiles(), at: folder.mountpoint, options: folder.options, workers: 8)
                try session.unmount()
                await session.ended()
                #expect(!session.isRunning)
            }
        }

        /// Those that serve mounts in this process.
        static func threads() -> Int {
            guard let folder = opendir("/proc/self/task") else { return 0 }
            defer { closedir(folder) }
            var found = 0
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if Files.text("/proc/self/task/\(name)/comm") == "fuse-worker\n" { found += 1 }
            }
            return found
        }

        @Test("A connection that is ended by force fails those who wait, and leaves a dead mount that can be removed")
        func abort() async throws {
            let folder = try TestFolder()
            let files = MemoryFiles()
            files.add("waiting", .waiting)
            let session = try Session.mount(files, at: folder.mountpoint, options: folder.options)
            let reader = try Command("cat $M/waiting 2>/dev/null || echo failed", in: folder)
            await eventually { files.waitingReads > 0 }
            let mounted = try #require(Mountpoint(folder.mountpoint).mounted)
            try mounted.abort()
            #expect(await reader.ended().output == "failed\n")
            await session.ended()
            // Answers that come now find nobody, and harm nothing.
            files.release()
            let outcome = try await Command.run("ls $M 2>&1", in: folder)
            #expect(outcome.output.contains("not connected"))
            #expect(Mountpoint(folder.mountpoint).mounted != nil)
            try Mountpoint(folder.mountpoint).unmount()
            #expect(Mountpoint(folder.mountpoint).mounted == nil)
        }

        @Test("A server that is killed, with nobody to take over, leaves a dead mount that can be removed")
        func killed() async throws {
            let folder = try TestFolder()
            let server = try Command(
                Self.server, ["mount", folder.mountpoint, folder.device, "10"], in: folder)
            await eventually { server.output == "ready\n" }
            #expect(try await Command.run("cat $M/folder/file7", in: folder).output == "content of file 7\n")
            server.signal(SIGKILL)
            _ = await server.ended()
            #expect(try await Command.run("cat $M/folder/file8 2>&1", in: folder).output.contains("not connected"))
            try Mountpoint(folder.mountpoint).unmount(lazily: true)
            #expect(Mountpoint(folder.mountpoint).mounted == nil)
        }

        @Test("An ordinary user mounts and unmounts with the helper")
        func ordinaryUser() async throws {
            let folder = try TestFolder()
            chown(folder.mountpoint, 65534, 65534)
            let user = "setpriv --reuid=65534 --regid=65534 --clear-groups"
            // The system's device may be for root alone: in a namespace of mounts it is replaced.
            let script = """
                mount --bind \(folder.device) /dev/fuse && command -v fusermount3 >/dev/null || exit 77
                \(user) test -x \(Self.server) -a -w $M || exit 77
                : >\(folder.path)/said
                \(user) \(Self.server) mount $M /dev/fuse 10 >\(folder.path)/said 2>&1 &
                until grep -q ready \(folder.path)/said; do kill -0 $! 2>/dev/null || exit 77; sleep 0.01; done
                \(user) cat $M/folder/file7
                grep -c "^memory $M fuse.memory ro,nosuid,nodev.*user_id=65534" /proc/mounts
                \(user) fusermount3 -u $M && wait $! && echo gone
                """
            let found = try await Command(
                "unshare", ["-m", "--propagation", "private", "sh", "-c", "M=\(folder.mountpoint)\n" + script],
                in: folder
            ).ended()
            if found.status == 77 {
                return print("The helper is not tested: \(found.output) \(Files.text(folder.path + "/said"))")
            }
            #expect(found.output == "content of file 7\n1\ngone\n")
            #expect(found.status == 0)
        }

        @Test("A mountpoint is found and unmounted through a symlink too")
        func symlinks() async throws {
            let folder = try TestFolder()
            let link = folder.path + "/link"
            symlink("mount", link)
            let session = try Session.mount(NoFiles(), at: link, options: folder.options)
            #expect(session.mountpoint?.hasSuffix("/mount") == true)
            #expect(Mountpoint(link).mounted == Mountpoint(folder.mountpoint).mounted)
            #expect(Mountpoint(link).mounted != nil)
            #expect(Mountpoint(folder.path).mounted == nil)
            try Mountpoint(link).unmount()
            await session.ended()
            #expect(Mountpoint(link).mounted == nil)
        }

        @Test("What cannot be mounted is said")
        func refusals() async throws {
            let folder = try TestFolder()
            func code(_ options: MountOptions, _ path: String) -> FUSEError.Code? {
                do {
                    try Session.mount(NoFiles(), at: path, options: options).unmount()
                    return nil
                } catch { return error.code }
            }
            #expect(code(folder.options, folder.path + "/absent") == .mountRefused)
            var options = folder.options
            options.device = folder.path + "/absent"
            #expect(code(options, folder.mountpoint) == .deviceUnavailable)
            options = folder.options
            options.source = "two\nlines"
            #expect(code(options, folder.mountpoint) == .invalidConfiguration)
            options.source = String(repeating: "x", count: 5000)
            #expect(code(options, folder.mountpoint) == .invalidConfiguration)
            options = folder.options
            options.method = .helper
            options.helper = folder.path + "/absent"
            #expect(code(options, folder.mountpoint) == .mountRefused)
            options.helper = "false"
            #expect(code(options, folder.mountpoint) == .mountRefused)
            #expect(Mountpoint(folder.mountpoint).mounted == nil)
            #expect(throws: FUSEError.self) { try Mountpoint(folder.mountpoint).unmount() }
        }

        /// Beside the tests' own program.
        static let server: String = {
            var path = [UInt8](repeating: 0, count: 4096)
            let count = path.withUnsafeMutableBytes {
                readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            }
            let own = String(decoding: path.prefix(max(count, 0)), as: UTF8.self)
            return own.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 } + "/MemoryFilesServer"
        }()
    }
}
