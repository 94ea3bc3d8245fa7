import CVMFS
import RepositoryMaker
import Testing

@testable import Provisioner

@Suite("What is set aside for a user")
struct SubordinateIDTests {
    @Test("is the first range of the name or the number")
    func ranges() {
        let text = "other:1:5\nme:100000:65536\nme:5:5\n1000:7:1\nbroken:1\nbroken:4294967295:2\nempty:5:0\n"
        #expect(SubordinateIDs.range(of: ["me", "1000"], in: text) == 100_000..<165_536)
        #expect(SubordinateIDs.range(of: ["you", "1000"], in: text) == 7..<8)
        for name in ["broken", "empty", "absent"] { #expect(SubordinateIDs.range(of: [name], in: text) == nil) }
    }
}

@Suite("An image's users")
struct ImageUserTests {
    private static let users = """
        root:x:0:0:root:/root:/bin/sh
        not a line
        www:x:33:34:web:/var/www:/bin/false
        bad:x:many:34:x:/:x
        42:x:7:8:a name of digits:/seven:x
        """
    private static let groups = """
        root:x:0:
        staff:x:50:www,42
        web:x:34:
        www:x:60:other,www
        """

    private static func find(_ user: String, _ group: String? = nil) throws -> ImageUser {
        try ImageUser.find(
            user, group, users: UserFile(Array(users.utf8)), groups: UserFile(Array(groups.utf8)))
    }

    @Test("are found by name and by number, with their groups")
    func finds() throws {
        #expect(
            try Self.find("www") == ImageUser(id: 33, group: 34, groups: [50, 60], home: "/var/www", name: "www"))
        #expect(try Self.find("33") == Self.find("www"))
        #expect(try Self.find("www", "staff") == ImageUser(id: 33, group: 50, home: "/var/www", name: "www"))
        #expect(try Self.find("www", "9") == ImageUser(id: 33, group: 9, home: "/var/www", name: "www"))
        #expect(try Self.find("1000") == ImageUser(id: 1000, group: 0))
        #expect(try Self.find("7").home == "/seven")
        #expect(try Self.find("42") == ImageUser(id: 42, group: 0))
    }

    @Test(
        "that the image does not have are refused",
        arguments: [("nobody", nil), ("bad", nil), ("www", "nogroup"), ("4294967295", nil), ("-1", nil), ("www", "-1")]
            as [(String, String?)])
    func refuses(_ user: String, _ group: String?) {
        #expect {
            try Self.find(user, group)
        } throws: { ($0 as? ProvisionerError)?.code == .noSuchUser }
    }

    @Test("are read through the image, whose symlinks stay inside")
    func image() async throws {
        var made = try ProvisionedRepository()
        made.maker.directory("/image")
        made.maker.directory("/image/etc")
        try made.maker.file("/image/real", Array("www:x:33:34::/srv:/bin/sh\n".utf8))
        made.maker.symlink("/image/etc/passwd", to: "/../../real")
        try made.publish()
        let image = try await made.open().snapshot().image(at: "/image")
        #expect(try await ImageUser.find("www", in: image) == ImageUser(id: 33, group: 34, home: "/srv", name: "www"))
        #expect(try await ImageUser.find("", in: image) == .root)
        await #expect(throws: ProvisionerError.self) { try await ImageUser.find("other", in: image) }
    }
}
