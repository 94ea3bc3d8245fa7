import CKernelCalls
import FUSE
import Glibc
import MemoryFiles
import SystemPackage
import Testing

/// Everything on real mounts. One after the other: each wants to know how many threads and requests there are.
@Suite("Mounts", .serialized, .enabled(if: MountingHere.isPossible), .timeLimit(.minutes(5)))
struct MountTests {
    /// All features that are used by default, and each of them switched off, as on an older kernel.
    static let switches: [Features] = [
        .usual, .usual.subtracting(.readDirectoryPlus), .usual.subtracting(.readDirectoryPlusAuto),
        .usual.subtracting(.noOpen), .usual.subtracting(.noOpenDirectory), .usual.subtracting(.cachedLinks),
        .usual.subtracting(.maximumPages), .usual.subtracting(.spliceWrite), .usual.subtracting(.parallelDirectories),
        .usual.subtracting(.asyncRead), [],
    ]

    static let large = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 >> 5) }

    static func small() -> MemoryFiles {
        let files = MemoryFiles()
        let folder = files.add("folder")
        files.add("empty", .bytes([]), to: folder)
        files.add("hello", .bytes(Array("Hello, kernel!\n".utf8)), mode: 0o100640, to: folder)
        files.add("large", .bytes(large))
        files.add("link", .link(Array("folder/hello".utf8)))
        files.add("fifo", .none, mode: 0o10600)
        files.add("xattr", .bytes([]), extendedAttributes: [("user.colour", "blue"), ("user.empty", "")])
        return files
    }

    @Test("Every way of reading gives what is there, whatever the kernel lacks", arguments: switches)
    func reading(features: Features) async throws {
        let folder = try TestFolder()
        Files.write(Self.large, to: folder.path + "/large")
        let files = Self.small()
        let session = try Session.mount(
            files, at: folder.mountpoint, options: folder.options, wishes: Wishes(features: features))
        for _ in 1...2 {
            let found = try await Command.run(
                """
                cd $M && ls | tr '\\n' ' ' && cat folder/hello link && readlink link && stat -c '%A %s %h %i' folder/hello \
                && wc -c <large && cmp large ../large && echo same && wc -c <folder/empty && stat -c %F fifo && ls -la folder | wc -l \
                && getfattr -d --absolute-names xattr && stat -f -c '%b %f %a %c %d' . \
                && test -x folder && ! test -e absent && echo done
                """, in: folder)
            #expect(
                found.output == """
                    fifo folder large link xattr Hello, kernel!
                    Hello, kernel!
                    folder/hello
                    -rw-r----- 15 1 4
                    3000000
                    same
                    0
                    fifo
                    5
                    # file: xattr
                    user.colour="blue"
                    user.empty=""

                    1000 400 300 8 7
                    done

                    """)
            #expect(found.status == 0)
        }
        // One that the kernel does not offer, or that was not wished for, is not in use.
        #expect(session.agreement.features.isSubset(of: features))
        try session.unmount()
        await session.ended()
        #expect(!session.isRunning)
    }

    @Test("A second look at everything reaches nobody")
    func warm() async throws {
        let folder = try TestFolder()
        let session = try Session.mount(Self.small(), at: folder.mountpoint, options: folder.options)
        let script = "find $M -ls; find $M -type f -exec cat {} + ; readlink $M/link; ls $M/absent"
        let first = try await Command.run(script, in: folder)
        // One OPEN and one OPENDIR were refused, and then none came.
        #expect(session.requests(ofKind: 14) <= 1 && session.requests(ofKind: 27) <= 1)
        let isSilent = try await oneOf(10) { () async throws -> Bool in
            // STATFS, which find asks of each folder, is never remembered by the kernel; and forgetting is no question.
            let kinds = (0..<64).filter { ![2, 17, 42].contains($0) }
            let before = kinds.map { session.requests(ofKind: $0) }
            #expect(try await Command.run(script, in: folder).output == first.output)
            return kinds.map { session.requests(ofKind: $0) } == before
        }
        #expect(isSilent)
    }

    @Test("Errors reach the program, and nothing can be changed")
    func errors() async throws {
        let folder = try TestFolder()
        let files = MemoryFiles()
        files.add("failing", .failing(EACCES))
        files.add("plain", .bytes(Array("1".utf8)))
        let session = try Session.mount(files, at: folder.mountpoint, options: folder.options)
        let path = folder.mountpoint
        let results = await Blocking.run { () -> [Int32] in
            func outcome(_ result: Int) -> Int32 { result < 0 ? errno : 0 }
            var byte: UInt8 = 0
            let failing = open(path + "/failing", O_RDONLY | O_CLOEXEC)
            let plain = open(path + "/plain", O_RDONLY | O_CLOEXEC)
            defer {
                close(failing)
                close(plain)
            }
            return [
                outcome(pread(failing, &byte, 1, 0)), outcome(Int(open(path + "/plain", O_RDWR))),
                outcome(Int(mkdir(path + "/new", 0o755))), outcome(Int(unlink(path + "/plain"))),
                outcome(kernel_xattr(path + "/plain", "user.absent", &byte, 1)),
                outcome(Int(open(path + "/plain/below", O_RDONLY))), outcome(Int(lseek(plain, 0, 3))),
                outcome(Int(lseek(plain, 5, 3))), outcome(Int(lseek(plain, 0, 4))),
            ]
        }
        #expect(results == [EACCES, EROFS, EROFS, EROFS, ENODATA, ENOTDIR, 0, ENXIO, 0])
        try session.unmount()
    }

    @Test("What is written is read again")
    func writing() async throws {
        let folder = try TestFolder()
        var options = folder.options
        options.isReadOnly = false
        let session = try Session.mount(WritableMemoryFiles(), at: folder.mountpoint, options: options)
        let found = try await Command.run(
            """
            set -e; cd $M; mkdir a; echo one >a/f; echo two >>a/f; mv a/f g; ln g h; ln -s g s; chmod 600 g; cat s h
            stat -c '%a %h %s' g; truncate -s 3 g; cat h; echo; rm h; rmdir a; setfattr -n user.x -v y g
            getfattr --only-values -n user.x g; echo; setfattr -x user.x g; head -c 1000000 /dev/zero >big
            cmp -n 1000000 big /dev/zero && ls; touch -d @77 g; stat -c %Y g; mkfifo p; stat -c %F p; rm -f absent
            """, in: folder)
        #expect(
            found.output == """
                one
                two
                one
                two
                600 2 8
                one
                y
                big
                g
                s
                77
                fifo

                """)
        #expect(found.status == 0)
        try session.unmount()
        await session.ended()
    }

    @Test("A big folder is listed whole, whether attributes come along or not", arguments: [true, false])
    func bigFolder(withAttributes: Bool) async throws {
        let folder = try TestFolder()
        let files = MemoryFiles()
        for index in 0..<5000 {
            files.add("file with a longer name \(index)", .bytes([UInt8](repeating: 1, count: index % 7)))
        }
        let features =
            withAttributes
            ? Features.usual.subtracting(.readDirectoryPlusAuto) : Features.usual.subtracting(.readDirectoryPlus)
        files.countLookups()
        let session = try Session.mount(
            files, at: folder.mountpoint, options: folder.options, wishes: Wishes(features: features))
        let found = try await Command.run(
            "ls -f $M | sort -u | wc -l; find $M -size -7c -type f | wc -l; find $M -type f -size 6c | wc -l",
            in: folder)
        #expect(found.output == "5002\n5000\n714\n")
        #expect((session.requests(ofKind: 44) > 0) == withAttributes)
        #expect((session.requests(ofKind: 28) > 0) == !withAttributes)
        try session.unmount()
        await session.ended()
    }

    @Test("A program that waits can be interrupted, and killed", arguments: [SIGINT, SIGKILL])
    func interrupts(signal: Int32) async throws {
        let folder = try TestFolder()
        let files = MemoryFiles()
        files.add("waiting", .waiting)
        // With an OPEN, so that the reads are direct: they end only with an answer.
        let session = try Session.mount(
            files, at: folder.mountpoint, options: folder.options, wishes: Wishes(features: .usual.subtracting(.noOpen))
        )
        let reader = try Command("exec cat $M/waiting", in: folder)
        await eventually { files.waitingReads == 1 }
        #expect(session.report.waiting == 1)
        reader.signal(signal)
        #expect(await reader.ended().status == 128 + signal)
        #expect(session.requests(ofKind: 36) >= 1)
        await eventually { session.report.waiting == 0 }
        try session.unmount()
        await session.ended()
    }

    @Test("Answers that come later reach those who wait, on the descriptor that they came from")
    func later() async throws {
        let folder = try TestFolder()
        let files = MemoryFiles()
        for index in 0..<200 { files.add("f\(index)", .later(Array("answer \(index)\n".utf8))) }
        let session = try Session.mount(files, at: folder.mountpoint, options: folder.options, workers: 4)
        #expect(session.report.channels == 4)
        #expect(session.report.workers == 4)
        let found = try await Command.run(
            "seq 0 199 | xargs -P 16 -n 5 sh -c 'cd $0; for i; do cat f$i; done' $M | sort -u | wc -l", in: folder)
        #expect(found.output == "200\n")
        #expect(session.report.waiting == 0 && session.report.refusedAnswers == 0)
        try session.unmount()
        await session.ended()
    }

    @Test("A file's content comes from another file, by copying and by splicing", arguments: [true, false])
    func contentOfFiles(splices: Bool) async throws {
        let folder = try TestFolder()
        let files = MemoryFiles()
        Files.write(Self.large, to: folder.path + "/large")
        let content = open(folder.path + "/large", O_RDONLY | O_CLOEXEC)
        defer { close(content) }
        let size = UInt64(Self.large.count)
        files.add("whole", .file(content), size: size)
        // The file behind it ends sooner than it should: a short read, and zeros for the rest.
        files.add("longer", .file(content), size: size + 100_000)
        // It cannot be read.
        files.add("bad", .file(-1), size: 10)
        let features = splices ? Features.usual : Features.usual.subtracting(.spliceWrite)
        let session = try Session.mount(
            files, at: folder.mountpoint, options: folder.options, wishes: Wishes(features: features))
        let found = try await Command.run(
            """
            cd $M; cmp whole ../large && echo same; cmp -n 3000000 longer ../large && echo same
            dd if=whole bs=1M iflag=direct status=none | cmp - ../large && echo same
            cat bad 2>/dev/null || echo error
            """, in: folder)
        #expect(found.output == "same\nsame\nsame\nerror\n")
        #expect(session.report.refusedAnswers == 0)
        try session.unmount()
        await session.ended()
    }

    @Test("The kernel reads a file that is passed through by itself")
    func passthrough() async throws {
        let folder = try TestFolder()
        let files = MemoryFiles()
        let wishes = Wishes(features: Features.usual.union(.passthrough).subtracting(.noOpen))
        let session = try Session.mount(files, at: folder.mountpoint, options: folder.options, wishes: wishes)
        guard session.agreement.features.contains(.passthrough) else {
            print("Passthrough is not tested: this kernel has none.")
            return try session.unmount()
        }
        Files.write(Self.large, to: folder.path + "/large")
        let content = open(folder.path + "/large", O_RDONLY | O_CLOEXEC)
        defer { close(content) }
        let backing = try session.backing(FileDescriptor(rawValue: content))
        files.add("large", .passedThrough(backing), size: UInt64(Self.large.count))
        let found = try await Command.run("cmp $M/large $M/../large && echo same", in: folder)
        #expect(found.output == "same\n")
        #expect(session.requests(ofKind: 15) == 0)
        try session.unmount()
        await session.ended()
    }

    @Test("Without passthrough agreed on there is an error, not a crash")
    func noPassthrough() async throws {
        let folder = try TestFolder()
        let session = try Session.mount(NoFiles(), at: folder.mountpoint, options: folder.options)
        #expect(throws: FUSEError.self) { _ = try session.backing(FileDescriptor(rawValue: 0)) }
        try session.unmount()
        await session.ended()
    }
}
