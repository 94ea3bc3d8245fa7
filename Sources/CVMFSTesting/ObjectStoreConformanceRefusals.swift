internal import CASCore

extension ObjectStoreConformance.Requirement {
    /// What a store must not take.
    static let refusalRequirements: [Self] = [
        Self("bytes of another hash are refused and never visible") { store in
            for compression in Compression.allCases {
                let object = SampleObject(size: 3000, seed: 20, compression: compression)
                let other = SampleObject(size: 3000, seed: 21, compression: compression)
                try await refusal([.hashMismatch], of: "storing other bytes") {
                    _ = try await store.object(object.id) { sink in
                        try sink.restart(expectedLength: nil)
                        try SampleObject.write(other.stored, to: sink)
                        try requireAbsent(object, in: store, "before its hash is known")
                        try sink.finish()
                    }
                }
                try requireAbsent(object, in: store, "after it was refused")
                try requireAbsent(other, in: store, "though nobody asked for it")
            }
        },
        Self("every cut of an object is refused") { store in
            for compression in Compression.allCases {
                let object = SampleObject(size: 200, seed: 22, compression: compression)
                for length in 0..<object.stored.count {
                    try await refusal([.hashMismatch, .corruptStream], of: "storing \(length) bytes of \(object)") {
                        _ = try await store.object(object.id) { sink in
                            try sink.restart(expectedLength: object.stored.count)
                            try SampleObject.write(Array(object.stored.prefix(length)), to: sink)
                            try sink.finish()
                        }
                    }
                    try requireAbsent(object, in: store, "after \(length) bytes of it")
                }
            }
        },
        Self("bytes behind an object are refused") { store in
            for compression in Compression.allCases {
                let object = SampleObject(size: 200, seed: 23, compression: compression)
                try await refusal([.hashMismatch, .corruptStream], of: "storing one byte more than \(object)") {
                    _ = try await store.object(object.id) { sink in
                        try sink.restart(expectedLength: nil)
                        try SampleObject.write(object.stored + [0], to: sink)
                        try sink.finish()
                    }
                }
                try requireAbsent(object, in: store, "after one byte more")
            }
        },
        Self("content of the right hash that is no stream is refused") { store in
            let noise = SampleObject(size: 1000, seed: 24, compression: .none)
            let id = ObjectID(noise.id.hash, compression: .zlib)
            try await refusal([.corruptStream], of: "storing noise as zlib") {
                _ = try await store.object(id) { try noise.send(to: $0) }
            }
            try require(try store.cached(id) == nil && !store.contains(id), "the noise is visible")
        },
        Self("what is longer than allowed is refused") { store in
            for compression in Compression.allCases {
                let object = SampleObject(size: 100_000, seed: 25, compression: compression)
                for limit in [0, 1, 99_999] as [Int64] {
                    try await refusal([.tooLarge], of: "storing more than \(limit) bytes") {
                        _ = try await store.object(object.id, size: .atMost(limit)) { try object.send(to: $0) }
                    }
                    try requireAbsent(object, in: store, "though it is too large")
                }
                _ = try await store.object(object.id, size: .atMost(100_000)) { try object.send(to: $0) }
            }
        },
        Self("content of another size than the catalog's is refused") { store in
            for compression in Compression.allCases {
                let object = SampleObject(size: 5000, seed: 26, compression: compression)
                for size in [0, 4999, 5001, .max] as [Int64] {
                    try await refusal([.sizeMismatch], of: "storing 5000 bytes as \(size)") {
                        _ = try await store.object(object.id, size: .exactly(size)) { try object.send(to: $0) }
                    }
                    try requireAbsent(object, in: store, "though it has another size")
                }
            }
        },
        Self("a wrong size is refused of what is stored, too, and does it no harm") { store in
            let object = SampleObject(size: 5000, seed: 27)
            _ = try await store.object(object.id, size: .exactly(5000)) { try object.send(to: $0) }
            try await refusal([.sizeMismatch], of: "asking for 5001 bytes") {
                _ = try await store.object(object.id, size: .exactly(5001)) { try object.send(to: $0) }
            }
            try await refusal([.tooLarge], of: "asking for 4999 bytes at most") {
                _ = try await store.object(object.id, size: .atMost(4999)) { try object.send(to: $0) }
            }
            guard let cached = try store.cached(object.id) else { throw fail("the object is gone") }
            try requireContent(of: object, in: cached)
        },
        Self("a source that returns before the end stores nothing") { store in
            let object = SampleObject(size: 5000, seed: 28)
            try await refusal([.corruptStream], of: "a source that does nothing") {
                _ = try await store.object(object.id) { _ in }
            }
            try await refusal([.corruptStream], of: "a source that does not finish") {
                _ = try await store.object(object.id) { sink in
                    try sink.restart(expectedLength: nil)
                    try SampleObject.write(object.stored, to: sink)
                }
            }
            try requireAbsent(object, in: store, "though it was not finished")
        },
        Self("a source's error is passed on, and the next source is asked") { store in
            let object = SampleObject(size: 5000, seed: 29)
            let error = try await error(of: "a source that throws") {
                _ = try await store.object(object.id) { sink in
                    try sink.restart(expectedLength: nil)
                    try SampleObject.write(Array(object.stored.prefix(100)), to: sink)
                    throw SourceFailure()
                }
            }
            try require(error is SourceFailure, "the source's error became \(error)")
            try requireAbsent(object, in: store, "after its source failed")
            let fetched = try await store.object(object.id) { try object.send(to: $0) }
            try requireContent(of: object, in: fetched)
        },
        Self("bytes that come after the end change nothing") { store in
            let object = SampleObject(size: 5000, seed: 30)
            let kept = KeptSink()
            _ = try await store.object(object.id) { sink in
                try object.send(to: sink)
                kept.keep(sink)
            }
            // Whether the sink complains is its own affair.
            try? kept.sink?.write(object.stored.span.bytes)
            try? kept.sink?.restart(expectedLength: nil)
            try? kept.sink?.write(SampleObject(size: 5000, seed: 31).stored.span.bytes)
            try? kept.sink?.finish()
            guard let cached = try store.cached(object.id) else { throw fail("the object is gone") }
            try requireContent(of: object, in: cached)
        },
    ]
}

/// The error of a source.
private struct SourceFailure: Error {}
