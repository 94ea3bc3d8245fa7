import Testing

@testable import CASCore

@Suite("Paths of objects on servers")
struct ServerPathTests {
    @Test("a path is read back as what it was written from")
    func roundTrip() {
        for algorithm in HashAlgorithm.allCases {
            for kind in ObjectKind.allCases {
                let object = ObjectID(ContentHash(hashing: [1, kind.rawValue], with: algorithm), kind: kind)
                let read = ObjectID(serverPath: object.serverPath)
                #expect(read == object)
                #expect(read?.kind == kind)
            }
        }
    }

    @Test(
        "what is no path of an object is none",
        arguments: [
            "", "data/", "data/ab/cdef", "data/ab/../ab/0123456789012345678901234567890123456789",
            "data/AB/01234567890123456789012345678901234567", "data/ab/0123456789012345678901234567890123456g",
            "data/ab/01234567890123456789012345678901234567/", "data/ab/01234567890123456789012345678901234567T",
            "data/ab/01234567890123456789012345678901234567CC", "data/ab-01234567890123456789012345678901234567",
            "/data/ab/01234567890123456789012345678901234567", "data/a/b01234567890123456789012345678901234567",
            "data/ab/01234567890123456789012345678901234567-md5", "data/ab/012345678901234567890123456789012345678",
        ])
    func noPath(text: String) { #expect(ObjectID(serverPath: text) == nil) }
}
