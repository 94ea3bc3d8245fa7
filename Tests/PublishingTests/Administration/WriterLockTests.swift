import LocalServers
import Publishing
import Signing
import SystemPackage
import Testing

@Suite("The writer's lock")
struct WriterLockTests {
    private func state(_ folder: borrowing TemporaryFolder) throws -> StateFolder {
        let state = StateFolder(storage: FilePath(folder.path))
        try state.make()
        return state
    }

    @Test("a second writer is refused, and told who is there")
    func excludes() throws {
        let folder = try TemporaryFolder("lock")
        let state = try state(folder)
        let first = try WriterLock(state, at: UnixTime(1_700_000_000))
        #expect(first.deadOwner == nil)
        let error = #expect(throws: PublishingError.self) { try WriterLock(state, at: UnixTime(0)) }
        #expect(error?.code == .locked)
        #expect(error?.message.contains("since 2023-11-14T22:13:20Z") == true)
        first.close()
        let second = try WriterLock(state, at: UnixTime(0))
        #expect(second.deadOwner == nil)
        second.close()
    }

    @Test("a lock whose owner has died is free, and its record is found")
    func stale() throws {
        let folder = try TemporaryFolder("lock")
        let state = try state(folder)
        // As if the process had been killed: the record stays, the kernel's lock does not.
        try writeFile(Array("999999999\nhost\nprogram\n17\n".utf8), to: state.writerLock.string)
        let lock = try WriterLock(state, at: UnixTime(0))
        #expect(lock.deadOwner?.process == 999_999_999)
        #expect(lock.deadOwner?.since == UnixTime(17))
        lock.close()
    }

    @Test("others see when a writer began, and that none writes")
    func begin() throws {
        let folder = try TemporaryFolder("lock")
        let state = try state(folder)
        #expect(try WriterLock.begin(state) == nil)
        let lock = try WriterLock(state, at: UnixTime(0))
        let begin = try #require(try WriterLock.begin(state))
        #expect(begin > 1_500_000_000_000_000_000)
        #expect(try WriterLock.begin(state) == begin)
        lock.close()
        #expect(try WriterLock.begin(state) == nil)
    }
}
