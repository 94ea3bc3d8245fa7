import CASCore
import CPlatform
import Glibc
import LocalServers
import Testing

@testable import Publishing

@Suite("Files as sources")
struct FileSourceTests {
    private func code(_ body: () throws -> Void) -> PublishingError.Code? {
        do { try body() } catch { return (error as? PublishingError)?.code }
        return nil
    }

    @Test("what is no regular file is refused, a symlink not followed, and a fifo not waited for")
    func noFile() throws {
        let folder = try TemporaryFolder("source")
        try folder.write([1], to: "file")
        #expect(symlink("file", "\(folder.path)/link") == 0)
        #expect(mkfifo("\(folder.path)/fifo", 0o644) == 0)
        #expect(code { _ = try FileSource(at: "\(folder.path)/link") } == .source)
        #expect(code { _ = try FileSource(at: "\(folder.path)/absent") } == .source)
        #expect(code { _ = try FileSource(at: "\(folder.path)/fifo") } == .changed)
        #expect(code { _ = try FileSource(at: folder.path) } == .changed)
    }

    @Test("a file that grows, shrinks or is touched while it is read is refused")
    func changes() async throws {
        let folder = try TemporaryFolder("source")
        let storage = try LocalStorage(at: "\(folder.path)/storage", creates: true)
        let pipeline = try ContentPipeline(storage: storage)
        let path = "\(folder.path)/file"
        let changes: [@Sendable () -> Void] = [
            { truncate(path, 2000) }, { truncate(path, 500) }, { truncate(path, 0) },
            {
                var times = [timespec(), timespec()]
                times[1].tv_sec = 5
                utimensat(AT_FDCWD, path, times, 0)
            },
        ]
        for change in changes {
            try writeFile([UInt8](repeating: 1, count: 1000), to: path)
            let source = try FileSource(at: path)
            change()
            do {
                _ = try await pipeline.store(source)
                Issue.record("a file that changed was taken")
            } catch let error as PublishingError {
                #expect(error.code == .changed)
                #expect(error.message.contains(path))
            }
        }
    }

    @Test("a file of an image or of a server is not recognised another time: nobody vouches for its times")
    func keptTimes() {
        let file = open("/proc/self/stat", O_RDONLY)
        defer { close(file) }
        #expect(cplatform_times_are_kept(file) == 1)
        #expect(cplatform_times_are_kept(-1) == 0)
        // ext4, xfs, btrfs, tmpfs, overlayfs.
        for type: UInt32 in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630] {
            #expect(cplatform_type_keeps_times(type) == 1)
        }
        for type: UInt32 in [0x7371_7368, 0xE0F5_E1E2, 0x9660, 0x1501_3346, 0x28CD_3D45, 0x7275, 0x6573_5546] {
            #expect(cplatform_type_keeps_times(type) == 0)
        }
    }

    @Test("a name in an open folder is found there, bytes that are no UTF-8 too")
    func inFolder() async throws {
        let folder = try TemporaryFolder("source")
        let storage = try LocalStorage(at: "\(folder.path)/storage", creates: true)
        let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        let name = FileName(bytes: [0xFF, 0x41])
        let file = openat(descriptor, [CChar(bitPattern: 0xFF), 0x41, 0], O_WRONLY | O_CREAT, 0o600)
        #expect(write(file, "abc", 3) == 3)
        close(file)
        let pipeline = try ContentPipeline(storage: storage)
        let stored = try await pipeline.store(FileSource(name, in: descriptor, label: "a file"))
        #expect(stored.size == 3)
        #expect(try ContentPipelineTests.content(of: stored, in: storage) == Array("abc".utf8))
    }
}
