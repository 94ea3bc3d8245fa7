import CFUSE
import Testing

@testable import FUSE

@Suite("Negotiation")
struct NegotiationTests {
    static let everything = Features(rawValue: .max)

    static func agreement(
        minor: UInt32 = 45, offered: Features = everything, wishes: Wishes = Wishes()
    ) -> Agreement? {
        var negotiation = Negotiation(wishes: wishes)
        let offer = Offer(major: 7, minor: minor, readAhead: 1 << 17, features: offered)
        guard case .agree(let agreement) = negotiation.receive(offer) else { return nil }
        return agreement
    }

    @Test("Every feature is used if both have it, and only then")
    func features() {
        for index in 0..<UInt64(64) {
            let feature = Features(rawValue: 1 << index)
            if feature == .extended { continue }
            let wished = Features.usual.union(feature)
            let with = Self.agreement(wishes: Wishes(features: wished))!.features
            #expect(with.contains(feature))
            let withoutOffer = Self.agreement(
                offered: Self.everything.subtracting(feature), wishes: Wishes(features: wished))!
            #expect(!withoutOffer.features.contains(feature))
            let withoutWish = Self.agreement(wishes: Wishes(features: wished.subtracting(feature)))!
            #expect(!withoutWish.features.contains(feature))
        }
    }

    @Test("Nothing at all is enough to agree on")
    func nothing() {
        let agreement = Self.agreement(minor: 23, offered: [])!
        #expect(agreement.features == [])
        #expect(agreement.transferBytes == 128 << 10)
        #expect(agreement.writeBytes == 4096)
        #expect(agreement.answer.flags == 0 && agreement.answer.flags2 == 0)
        #expect(!agreement.hasResend && !agreement.hasPrune)
    }

    @Test("Files are opened where they can be passed through, and only there")
    func opens() {
        let wishes = Wishes(features: Features.usual.union(.passthrough))
        #expect(!Self.agreement(wishes: wishes)!.features.contains(.noOpen))
        let without = Self.agreement(offered: Self.everything.subtracting(.passthrough), wishes: wishes)!
        #expect(without.features.contains(.noOpen))
    }

    @Test("Readdirplus auto needs readdirplus, and the second word its mark")
    func dependencies() {
        let lone = Self.agreement(offered: Self.everything.subtracting(.readDirectoryPlus))!
        #expect(!lone.features.contains(.readDirectoryPlusAuto))
        let short = Self.agreement(offered: Self.everything.subtracting(.extended))!
        #expect(short.features.rawValue >> 32 == 0)
        #expect(short.answer.flags2 == 0)
    }

    @Test("The answer has a second word only with its mark, and a stack depth only with passthrough")
    func answer() {
        let usual = Self.agreement()!
        #expect(usual.answer.flags & (1 << 30) != 0)
        #expect(usual.answer.flags2 == UInt32(usual.features.rawValue >> 32))
        #expect(usual.answer.max_stack_depth == 0)
        #expect(usual.answer.major == 7 && usual.answer.minor == 45)
        #expect(usual.answer.max_pages == 256)
        let passing = Self.agreement(wishes: Wishes(features: [.passthrough]))!
        #expect(passing.answer.max_stack_depth == 1)
        #expect(passing.answer.flags2 == 1 << 5)
        let first = Self.agreement(wishes: Wishes(features: [.asyncRead]))!
        #expect(first.answer.flags == 1)
        let ring = Self.agreement(wishes: Wishes(features: Features.usual.union(.overIOUring)))!
        #expect(ring.answer.flags2 & (1 << 9) != 0)
        #expect(ring.transferBytes == FUSELimits.ringTransferBytes)
    }

    @Test("Every minor version from 23 on is spoken, the smaller of both")
    func versions() {
        for minor in UInt32(0)..<80 {
            let agreement = Self.agreement(minor: minor)
            #expect((agreement != nil) == (minor >= 23))
            guard let agreement else { continue }
            #expect(agreement.minor == min(minor, 45))
            #expect(agreement.kernelMinor == minor)
            #expect(agreement.hasResend == (minor >= 40))
            #expect(agreement.hasPrune == (minor >= 45))
        }
    }

    @Test("A newer major version is told ours once; an older one is refused")
    func majorVersions() {
        var negotiation = Negotiation(wishes: Wishes())
        let newer = Offer(major: 8, minor: 0, readAhead: 0, features: [])
        #expect(negotiation.receive(newer) == .insistOnVersion)
        guard case .refuse = negotiation.receive(newer) else {
            Issue.record("it may insist only once")
            return
        }
        var second = Negotiation(wishes: Wishes())
        _ = second.receive(newer)
        guard case .agree = second.receive(Offer(major: 7, minor: 45, readAhead: 0, features: [])) else {
            Issue.record("the second INIT is the one that counts")
            return
        }
        var third = Negotiation(wishes: Wishes())
        guard case .refuse = third.receive(Offer(major: 6, minor: 40, readAhead: 0, features: [])) else {
            Issue.record("protocol 6 is not spoken")
            return
        }
    }

    @Test("Sizes stay within what the protocol can say")
    func sizes() {
        for bytes in [Int.min, -1, 0, 1, 4095, 4096, 5000, 128 << 10, 1 << 20, 1 << 30, .max] {
            let wishes = Wishes(writeBytes: bytes, transferBytes: bytes, readAheadBytes: bytes, background: bytes)
            for offered in [Features(), .bigWrites, .maximumPages, Self.everything] {
                let agreement = Self.agreement(offered: offered, wishes: wishes)!
                #expect((4096...FUSELimits.transferBytes).contains(agreement.transferBytes))
                #expect(agreement.transferBytes % 4096 == 0)
                #expect((4096...FUSELimits.transferBytes).contains(agreement.writeBytes))
                #expect((0...1 << 17).contains(agreement.readAheadBytes))
                #expect((1...65535).contains(agreement.background))
                #expect(agreement.answer.congestion_threshold >= 1)
            }
        }
    }
}
