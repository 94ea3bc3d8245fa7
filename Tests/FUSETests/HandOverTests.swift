import FUSE
import FixtureTrees
import Foundation
import MemoryFiles
import SystemPackage
import Testing

extension MountTests {
    @Suite("Handing a mount over")
    struct HandOverTests {
        /// Duplicates, as another process would have them.
        static func duplicates(_ session: Session) -> [FileDescriptor] {
            session.descriptors.map { FileDescriptor(rawValue: fcntl($0.rawValue, F_DUPFD_CLOEXEC, 20)) }
        }

        @Test("A session that stops leaves the mount to another, which answers for the same nodes")
        func stopping() async throws {
            let folder = try TestFolder()
            let files = MountTests.small()
            let first = try Session.mount(files, at: folder.mountpoint, options: folder.options)
            let go = folder.path + "/go"
            let user = try Command(
                "exec <$M/large; cd $M/folder; echo in; until test -e \(go); do sleep 0.01; done; cmp - ../../large; cat hello",
                in: folder)
            Files.write(MountTests.large, to: folder.path + "/large")
            await eventually { user.output == "in\n" }
            let descriptors = Self.duplicates(first)
            await Blocking.run { first.stop() }
            #expect(!first.isRunning)
            await first.ended()
            let second = try Session.adopt(
                files, descriptors: descriptors, agreement: first.agreement, mountpoint: folder.mountpoint)
            Files.write([], to: go)
            #expect(await user.ended().output == "in\nHello, kernel!\n")
            try second.unmount()
            await second.ended()
        }

        @Test("What was read and not answered is sent again, and a late answer of the session before harms nothing")
        func resending() async throws {
            let folder = try TestFolder()
            let files = MemoryFiles()
            files.add("waiting", .waiting)
            let first = try Session.mount(files, at: folder.mountpoint, options: folder.options)
            guard first.agreement.hasResend else { return print("Resending is not tested: this kernel cannot.") }
            let reader = try Command("cat $M/waiting && echo whole", in: folder)
            await eventually { files.waitingReads > 0 }
            let descriptors = Self.duplicates(first)
            await Blocking.run { first.stop() }
            let resent = MemoryFiles()
            resent.add("waiting", .bytes(Array("second\n".utf8)), size: 4096)
            let second = try Session.adopt(
                resent, descriptors: descriptors, agreement: first.agreement, mountpoint: folder.mountpoint)
            let outcome = await reader.ended()
            #expect(outcome.output.hasPrefix("second\n") && outcome.output.hasSuffix("whole\n"))
            files.release()
            #expect(first.report.refusedAnswers > 0)
            try second.unmount()
            await second.ended()
        }

        @Test("A server that is killed under load again and again is replaced without an error")
        func killing() async throws {
            let folder = try TestFolder()
            // This process keeps the descriptors, and does not touch the mount.
            let keeper = try Session.mount(NoFiles(), at: folder.mountpoint, options: folder.options, workers: 2)
            guard keeper.agreement.hasResend else { return print("Replacing is not tested: this kernel cannot.") }
            await Blocking.run { keeper.stop() }
            let agreement = String(decoding: try JSONEncoder().encode(keeper.agreement), as: UTF8.self)
            let descriptors = keeper.descriptors.map(\.rawValue)
            func server() throws -> Command {
                try Command(
                    EndingTests.server, ["adopt", agreement, "\(descriptors.count)", "50"], in: folder,
                    descriptors: descriptors)
            }
            let stop = folder.path + "/stop"
            let expected = (0..<50).map { "content of file \($0)\n" }.joined()
            Files.write(Array(expected.utf8), to: folder.path + "/expected")
            // The kernel is made to forget, so that the server is asked.
            let load = try (0..<3).map { number in
                try Command(
                    """
                    names=$(seq -f $M/folder/file%.0f 0 49)
                    until test -e \(stop); do
                        cat $names | cmp - \(folder.path)/expected || echo wrong content
                        test "$(ls $M/folder | wc -l)" = 50 || echo wrong listing
                        test "$(cat $M/later)" = "answered later" || echo wrong answer
                        test -e $M/absent\(number)$(date +%N) && echo wrong name
                        test $(wc -c <$M/large) = 1000000 || echo wrong length
                        if test \(number) = 0; then echo 3 >/proc/sys/vm/drop_caches; fi
                    done
                    """, in: folder)
            }
            var generator = SeededGenerator(for: "Servers killed under load")
            for _ in 0..<25 {
                let running = try server()
                await eventually { running.output == "ready\n" }
                // At any point of its work.
                let moment = UInt32.random(in: 0..<20_000, using: &generator)
                await Blocking.run { _ = usleep(moment) }
                running.signal(SIGKILL)
                _ = await running.ended()
            }
            let last = try server()
            Files.write([], to: stop)
            for one in load {
                let outcome = await one.ended()
                #expect(outcome.output == "")
            }
            try keeper.unmount()
            #expect(await last.ended().status == 0)
        }
    }
}
