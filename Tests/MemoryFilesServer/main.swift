// Serves a small tree in memory, until its mount is gone.
//
//   MemoryFilesServer mount PATH DEVICE ENTRIES     mounts it, and prints "ready"
//   MemoryFilesServer adopt AGREEMENT N ENTRIES     takes over the descriptors from 10 on, N of them
import FUSE
import Foundation
import MemoryFiles
import SystemPackage

let arguments = CommandLine.arguments
guard arguments.count == 5, let entries = Int(arguments[4]) else {
    FileHandle.standardError.write(Data("usage: see the source\n".utf8))
    exit(64)
}
let files = MemoryFiles()
let folder = files.add("folder")
for index in 0..<entries {
    files.add("file\(index)", .bytes(Array("content of file \(index)\n".utf8)), to: folder)
}
files.add("large", .bytes((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }))
files.add("later", .later(Array("answered later\n".utf8)))

do {
    let session: Session
    if arguments[1] == "mount" {
        session = try Session.mount(
            files, at: arguments[2], options: MountOptions(source: "memory", subtype: "memory", device: arguments[3]))
    } else {
        let agreement = try JSONDecoder().decode(Agreement.self, from: Data(arguments[2].utf8))
        let descriptors = (0..<(Int(arguments[3]) ?? 0)).map { FileDescriptor(rawValue: Int32(10 + $0)) }
        session = try Session.adopt(files, descriptors: descriptors, agreement: agreement)
    }
    FileHandle.standardOutput.write(Data("ready\n".utf8))
    await session.ended()
} catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
