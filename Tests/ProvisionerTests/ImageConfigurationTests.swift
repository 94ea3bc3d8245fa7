import Testing

@testable import Provisioner

@Suite("An image's configuration")
struct ImageConfigurationTests {
    private static let whole = """
        {"architecture":"amd64","os":"linux","config":{"User":"www:staff","Env":["PATH=/bin","LANG=C.UTF-8"],
        "Entrypoint":["/init","-v"],"Cmd":["serve"],"WorkingDir":"/srv","StopSignal":"SIGINT","Labels":{"a":"b"}},
        "rootfs":{"type":"layers","diff_ids":[]},"history":[{"created":"2026-01-01T00:00:00Z"}]}
        """

    @Test("is read whole, and what is not known is passed over")
    func reads() throws {
        let read = try ImageConfiguration(parsing: Array(Self.whole.utf8))
        #expect(
            read
                == ImageConfiguration(
                    user: "www:staff", environment: ["PATH=/bin", "LANG=C.UTF-8"], entrypoint: ["/init", "-v"],
                    command: ["serve"], workingFolder: "/srv", stopSignal: "SIGINT", architecture: "amd64"))
        #expect(try ImageConfiguration(parsing: Array("{}".utf8)) == ImageConfiguration())
        #expect(try ImageConfiguration(parsing: Array(#"{"config":{"Cmd":null,"WorkingDir":""}}"#.utf8)).command == [])
    }

    @Test("gives the program as docker does: words replace the command and follow the entry point")
    func arguments() throws {
        let read = try ImageConfiguration(parsing: Array(Self.whole.utf8))
        #expect(read.arguments(replacingCommandBy: []) == ["/init", "-v", "serve"])
        #expect(read.arguments(replacingCommandBy: ["sh", "-c", "x"]) == ["/init", "-v", "sh", "-c", "x"])
        #expect(read.environment(setting: ["LANG=de", "NEW=1", "PATH"]).sorted().prefix(2) == ["LANG=de", "NEW=1"])
        #expect(read.environment(setting: ["PATH"]).contains { $0.hasPrefix("PATH=/usr/local/sbin") })
        let program = try ContainerProgram(read, words: ["now"], user: ImageUser(id: 5, group: 6, home: "/home/w"))
        #expect(program.arguments == ["/init", "-v", "now"])
        #expect(program.environment == ["PATH=/bin", "LANG=C.UTF-8", "HOME=/home/w"])
        #expect(throws: ProvisionerError.self) { try ContainerProgram(ImageConfiguration(), user: .root) }
    }

    @Test(
        "is refused when it is malformed or leaves its bounds",
        arguments: [
            "", "[]", "{", "7", #"{"config":7}"#, #"{"config":{"Env":"PATH=/"}}"#, #"{"config":{"Env":["PATH"]}}"#,
            #"{"config":{"Env":["=x"]}}"#, #"{"config":{"WorkingDir":"relative"}}"#, #"{"config":{"Cmd":[""]}}"#,
            #"{"config":{"Cmd":["a\u0000b"]}}"#, #"{"config":{"User":"a\u0000"}}"#, #"{"config":{"Cmd":[1]}}"#,
            String(repeating: "[", count: 100_000),
            #"{"a":"# + String(repeating: "[", count: 70)
                + String(repeating: "]", count: 70) + "}",
            #"{"config":{"Cmd":["\#(String(repeating: "x", count: 128 << 10))"]}}"#,
            #"{"config":{"Env":[\#(Array(repeating: "\"A=1\"", count: 5000).joined(separator: ","))]}}"#,
        ])
    func refuses(_ text: String) {
        #expect {
            try ImageConfiguration(parsing: Array(text.utf8))
        } throws: { ($0 as? ProvisionerError)?.code == .configuration }
    }

    @Test("survives whatever is done to its bytes")
    func fuzz() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededGenerator(seed)
        for _ in 0..<3000 {
            var bytes = Array(Self.whole.utf8)
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: bytes.removeSubrange(place..<min(bytes.count, place + 20))
                }
                if bytes.isEmpty { bytes = [0] }
            }
            do {
                let read = try ImageConfiguration(parsing: bytes)
                #expect(read.workingFolder.hasPrefix("/"), "seed \(seed)")
                #expect(!(read.entrypoint + read.command).contains { $0.utf8.contains(0) }, "seed \(seed)")
            } catch {
                #expect(error.code == .configuration, "seed \(seed)")
            }
        }
    }
}

/// Numbers that a seed gives again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
