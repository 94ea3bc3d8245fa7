internal import CASCore
internal import SystemPackage

extension ObjectStoreConformance.Requirement {
    /// What a store gives.
    static let contentRequirements: [Self] = [
        Self("what a store does not have is nil") { store in
            try requireAbsent(SampleObject(size: 10, seed: 1), in: store, "in an empty store")
        },
        Self("objects of every size, algorithm and compression come back as they were") { store in
            for size in [0, 1, 4096, 65_535, 65_536, 1 << 20 | 3] {
                for algorithm in HashAlgorithm.allCases {
                    for compression in Compression.allCases {
                        let object = SampleObject(
                            size: size, seed: 2, algorithm: algorithm, compression: compression)
                        let known: ContentSize = size % 2 == 0 ? .exactly(Int64(size)) : .atMost(Int64(size))
                        let fetched = try await store.object(object.id, size: known) { try object.send(to: $0) }
                        try requireContent(of: object, in: fetched)
                        try require(store.contains(object.id), "the store says that it does not contain \(object)")
                        guard let cached = try store.cached(object.id) else { throw fail("\(object) is not cached") }
                        try requireContent(of: object, in: cached)
                        let again = try await store.object(object.id, size: known) { _ in
                            throw fail("the source of \(object) was asked though it is cached")
                        }
                        try requireContent(of: object, in: again)
                    }
                }
            }
        },
        Self("an object may come in pieces of any size") { store in
            for pieceSize in [1, 7, 4096, 1 << 20] {
                let object = SampleObject(size: 10_000, seed: UInt64(pieceSize))
                let fetched = try await store.object(object.id) { try object.send(to: $0, pieceSize: pieceSize) }
                try requireContent(of: object, in: fetched)
            }
        },
        Self("a source may start again, and what came before does not count") { store in
            for compression in Compression.allCases {
                let object = SampleObject(size: 50_000, seed: 3, compression: compression)
                let other = SampleObject(size: 90_000, seed: 4, compression: compression)
                let fetched = try await store.object(object.id) { sink in
                    try sink.restart(expectedLength: nil)
                    try SampleObject.write(Array(other.stored.prefix(70_000)), to: sink)
                    try object.send(to: sink)
                }
                try requireContent(of: object, in: fetched)
            }
        },
        Self("a length announced by the source is no more than a hint") { store in
            for length in [0, -5, 1 << 40, Int.max] {
                let object = SampleObject(size: 3000, seed: UInt64(bitPattern: Int64(length)))
                let fetched = try await store.object(object.id) { sink in
                    try sink.restart(expectedLength: length)
                    try SampleObject.write(object.stored, to: sink)
                    try sink.finish()
                }
                try requireContent(of: object, in: fetched)
            }
        },
        Self("the kind of an object does not matter") { store in
            let object = SampleObject(size: 100, seed: 5)
            _ = try await store.object(object.id) { try object.send(to: $0) }
            let catalog = ObjectID(object.id.hash, kind: .catalog)
            try require(try store.cached(catalog) != nil, "not found under another kind")
        },
        Self("the same stored bytes as zlib and as none are two objects") { store in
            let packed = SampleObject(size: 4000, seed: 6)
            let plain = SampleObject(plain: packed.stored, compression: .none)
            try require(packed.id.hash == plain.id.hash, "the samples do not share a hash")
            _ = try await store.object(packed.id) { try packed.send(to: $0) }
            try requireAbsent(plain, in: store, "after the other one was stored")
            let fetched = try await store.object(plain.id) { try plain.send(to: $0) }
            try requireContent(of: plain, in: fetched)
            guard let cached = try store.cached(packed.id) else { throw fail("the other one is gone") }
            try requireContent(of: packed, in: cached)
        },
        Self("reading stops at the end of the content") { store in
            let object = SampleObject(size: 5000, seed: 7)
            let handle = try await store.object(object.id) { try object.send(to: $0) }
            let tail = try handle.read(4990..<5090)
            try require(tail == Array(object.plain[4990...]), "a read across the end gave \(tail.count) bytes")
            for offset in [5000, 5001, 1 << 40, Int.max - 100] {
                let count = try handle.read(offset..<offset + 100).count
                try require(count == 0, "a read at \(offset) gave \(count) bytes")
            }
            try require(try handle.read(17..<17).isEmpty, "a read of nothing gave something")
        },
        Self("a handle gives a descriptor of the whole content") { store in
            for size in [0, 5000, 300_000] {
                let object = SampleObject(size: size, seed: 8)
                let handle = try await store.object(object.id) { try object.send(to: $0) }
                for _ in 0..<2 {
                    let bytes = try handle.withDescriptor { descriptor in
                        var bytes = [UInt8](repeating: 0, count: size + 10)
                        let count = try bytes.withUnsafeMutableBytes {
                            try descriptor.read(fromAbsoluteOffset: 0, into: $0)
                        }
                        return Array(bytes.prefix(count))
                    }
                    try require(bytes == object.plain, "the descriptor of \(object) gives \(bytes.count) other bytes")
                }
                // The errors of `withDescriptor` are those of its body.
                let error = try await error(of: "a body that throws") {
                    try handle.withDescriptor { _ in throw CancellationError() }
                }
                try require(error is CancellationError, "the error of the body became \(error)")
                try requireContent(of: object, in: handle)
            }
        },
        Self("what is removed stays readable where it is open") { store in
            let object = SampleObject(size: 20_000, seed: 9)
            let handle = try await store.object(object.id) { try object.send(to: $0) }
            try store.remove(object.id)
            try requireAbsent(object, in: store, "after it was removed")
            try requireContent(of: object, in: handle)
            try store.remove(object.id)
            let again = try await store.object(object.id) { try object.send(to: $0) }
            try requireContent(of: object, in: again)
        },
    ]
}
