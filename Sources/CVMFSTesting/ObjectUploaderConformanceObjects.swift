internal import CASCore
internal import Publishing
internal import SystemPackage

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

extension ObjectUploaderConformance.Requirement {
    /// What is asked of objects.
    static let objectRequirements: [Self] = [
        Self("what was never uploaded is not there, and cannot be renewed") { subject in
            let object = SampleObject(size: 100, seed: 40)
            try require(try await !subject.uploader.contains(object.id), "it contains an object of nobody's")
            try require(try await !subject.uploader.renew(object.id), "it renews an object of nobody's")
            try require(try await subject.served(object.id.serverPath) == nil, "it serves an object of nobody's")
        },
        Self("objects of all kinds, hashes and sizes are served as they are") { subject in
            var seed: UInt64 = 41
            for kind in ObjectKind.allCases {
                for algorithm in HashAlgorithm.allCases {
                    for size in [0, 1, 4096, 300_001] where kind == .file || size == 1 {
                        seed += 1
                        let object = SampleObject(size: size, seed: seed, algorithm: algorithm, kind: kind)
                        try await subject.uploader.upload(.bytes(object.stored), as: object.id)
                        try await requireServed(object, by: subject)
                    }
                }
            }
        },
        Self("an object of one kind is none of another") { subject in
            let object = SampleObject(size: 1000, seed: 100, kind: .chunk)
            try await subject.uploader.upload(.bytes(object.stored), as: object.id)
            for kind in ObjectKind.allCases where kind != .chunk {
                let other = ObjectID(object.id.hash, kind: kind)
                try require(try await !subject.uploader.contains(other), "a chunk is there as \(kind), too")
                try require(try await !subject.uploader.renew(other), "a chunk is renewed as \(kind)")
            }
        },
        Self("a file becomes an object, and is gone") { subject in
            for (size, seed) in [(0, UInt64(110)), (70_000, 111)] {
                let object = SampleObject(size: size, seed: seed)
                // The second time the object is there already.
                for time in ["new", "known"] {
                    let file = try UploadFile(object.stored)
                    try await subject.uploader.upload(.file(at: file.path), as: object.id)
                    try require(!file.exists, "the file of a \(time) object is left")
                    try await requireServed(object, by: subject)
                }
            }
        },
        Self("what is there is not replaced") { subject in
            let object = SampleObject(size: 5000, seed: 120)
            try await subject.uploader.upload(.bytes(object.stored), as: object.id)
            // A name stands for bytes: others under it are a mistake, and those that were there are the right ones.
            try await subject.uploader.upload(.bytes([1, 2, 3]), as: object.id)
            let file = try UploadFile([4, 5])
            try await subject.uploader.upload(.file(at: file.path), as: object.id)
            try await requireServed(object, by: subject)
        },
        Self("an object is whole as soon as it is there, whoever uploads it meanwhile") { subject in
            let objects = (0..<4).map { SampleObject(size: 200_000, seed: 130 + $0) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for round in 0..<4 {
                    for object in objects {
                        group.addTask {
                            if round % 2 == 0 {
                                try await subject.uploader.upload(.bytes(object.stored), as: object.id)
                            } else {
                                let file = try UploadFile(object.stored)
                                try await subject.uploader.upload(.file(at: file.path), as: object.id)
                            }
                            try await requireServed(object, by: subject)
                        }
                        group.addTask {
                            let served = try await subject.served(object.id.serverPath)
                            try require(
                                served == nil || served == object.stored, "a part of \(object) is served as it all")
                        }
                    }
                }
                try await group.waitForAll()
            }
        },
        Self("what was uploaded is there after it was synchronised") { subject in
            let object = SampleObject(size: 1000, seed: 140)
            try await subject.uploader.synchronize()
            try await subject.uploader.upload(.bytes(object.stored), as: object.id)
            try await subject.uploader.synchronize()
            try await requireServed(object, by: subject)
        },
    ]
}

/// A file that is to be uploaded. What is left of it goes with the value.
private struct UploadFile: ~Copyable {
    let path: String

    init(_ bytes: [UInt8]) throws {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        path = "\(folder)/upload-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        let file = try FileDescriptor.open(
            FilePath(path), .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
            permissions: [.ownerReadWrite])
        try file.closeAfter { _ = try file.writeAll(bytes) }
    }

    deinit { unlink(path) }

    /// Whether it is still there.
    var exists: Bool { access(path, F_OK) == 0 }
}
