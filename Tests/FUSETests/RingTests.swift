import FUSE
import Glibc
import MemoryFiles
import SystemPackage
import Testing

extension MountTests {
    @Suite("Requests over io_uring")
    struct RingTests {
        /// Whether the kernel offers it, which root switches on for all mounts to come: here for as long as this is there.
        struct Switch: ~Copyable {
            private static let parameter = "/sys/module/fuse/parameters/enable_uring"
            private let before: String

            init() {
                before = Files.text(Self.parameter)
                Files.write(Array("Y".utf8), to: Self.parameter)
            }

            deinit {
                if !before.isEmpty { Files.write(Array(before.utf8), to: Self.parameter) }
            }
        }

        static var wishes: Wishes { Wishes(features: Features.usual.union(.overIOUring)) }

        @Test("Everything is answered that way, at once and later, and interrupted")
        func reading() async throws {
            let folder = try TestFolder()
            let files = MountTests.small()
            files.add("later", .later(Array("later\n".utf8)))
            for index in 0..<100 { files.add("later\(index)", .later(Array("later \(index)\n".utf8))) }
            files.add("waiting", .waiting)
            Files.write(MountTests.large, to: folder.path + "/large")
            let content = open(folder.path + "/large", O_RDONLY | O_CLOEXEC)
            defer { close(content) }
            files.add("file", .file(content), size: UInt64(MountTests.large.count))
            let offer = Switch()
            let session = try Session.mount(files, at: folder.mountpoint, options: folder.options, wishes: Self.wishes)
            _ = consume offer
            guard session.agreement.features.contains(.overIOUring) else {
                try session.unmount()
                return print("io_uring is not tested: this kernel, or this user, cannot.")
            }
            let found = try await Command.run(
                """
                cd $M; cat folder/hello link; readlink link; cmp large ../large && echo same; cat later
                cmp file ../large && echo same; getfattr --only-values -n user.colour xattr; echo
                ls | wc -l; find . -type f | wc -l; test -e absent || echo absent
                seq 0 99 | xargs -P 16 -n 5 sh -c 'for i; do cat later$i; done' x | sort -u | wc -l
                """, in: folder)
            #expect(
                found.output == """
                    Hello, kernel!
                    Hello, kernel!
                    folder/hello
                    same
                    later
                    same
                    blue
                    108
                    107
                    absent
                    100

                    """)
            let reader = try Command("exec cat $M/waiting", in: folder)
            await eventually { files.waitingReads > 0 }
            reader.signal(SIGKILL)
            #expect(await reader.ended().status == 128 + SIGKILL)
            files.release()
            #expect(throws: FUSEError.self) {
                let copy = fcntl(session.descriptors[0].rawValue, F_DUPFD_CLOEXEC, 20)
                _ = try Session.adopt(
                    files, descriptors: [FileDescriptor(rawValue: copy)], agreement: session.agreement)
            }
            try session.unmount()
            await session.ended()
            await eventually { EndingTests.threads() == 0 }
        }

        @Test("Where it is not offered a mount does without")
        func fallBack() async throws {
            let folder = try TestFolder()
            let session = try Session.mount(
                MountTests.small(), at: folder.mountpoint, options: folder.options, wishes: Self.wishes)
            #expect(try await Command.run("cat $M/folder/hello", in: folder).output == "Hello, kernel!\n")
            try session.unmount()
            await session.ended()
        }
    }
}
