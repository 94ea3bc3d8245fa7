import Glibc
import Testing

@testable import FUSE

@Suite("Signals that wait for a thread")
struct WaitingSignalsTests {
    private static func bit(_ signal: Int32) -> UInt64 { 1 << UInt64(signal - 1) }

    @Test("What ends a program, and what it catches, ends its call; what only tells something does not")
    func kinds() {
        for signal in 1...64 as ClosedRange<Int32> {
            let isNotice = [SIGCHLD, SIGURG, SIGWINCH, SIGCONT].contains(signal)
            let isStop = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU].contains(signal)
            #expect(WaitingSignals(waiting: Self.bit(signal)).endsCall == !(isNotice || isStop))
            #expect(WaitingSignals(waiting: Self.bit(signal), caught: Self.bit(signal)).endsCall == !isNotice)
        }
        #expect(!WaitingSignals().endsCall)
        #expect(WaitingSignals(waiting: Self.bit(SIGCHLD) | Self.bit(SIGKILL)).endsCall)
    }

    @Test("The kernel's words are understood, and blocked and ignored signals do not count")
    func words() {
        func status(_ own: String, _ shared: String) -> String {
            """
            Name:\tSigPnd: 1
            State:\tS (sleeping)
            SigQ:\t0/7683
            SigPnd:\t\(own)
            ShdPnd:\t\(shared)
            SigBlk:\t0000000000000200
            SigIgn:\t0000000000000800
            SigCgt:\t0000000000010001
            """
        }
        let none = "0000000000000000"
        #expect(WaitingSignals(status: status(none, none)) == WaitingSignals(caught: 0x10001))
        #expect(WaitingSignals(status: status("0000000000000001", none))?.waiting == 1)
        #expect(
            WaitingSignals(status: status(none, "0000000000010a00"))
                == WaitingSignals(waiting: 0x10000, caught: 0x10001))
        #expect(WaitingSignals(status: "Name:\tcat\nState:\tS (sleeping)\n") == nil)
        #expect(WaitingSignals(ofThread: 0) == nil)
        // The first thread of this process.
        #expect(WaitingSignals(ofThread: UInt32(getpid())) != nil)
    }
}
