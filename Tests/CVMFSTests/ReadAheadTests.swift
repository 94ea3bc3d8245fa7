import Testing

@testable import CVMFS

@Suite("Read-ahead")
struct ReadAheadTests {
    @Test("reads in order widen the window by a chunk at each new one, up to the bound")
    func widens() {
        var ahead = ReadAhead()
        #expect(ahead.read(at: 0, count: 10, chunks: 0...0, total: 9) == 1..<2)
        #expect(ahead.read(at: 10, count: 10, chunks: 0...0, total: 9) == 1..<2)
        #expect(ahead.read(at: 20, count: 10, chunks: 1...1, total: 9) == 2..<4)
        #expect(ahead.read(at: 30, count: 10, chunks: 2...2, total: 9) == 3..<6)
        #expect(ahead.read(at: 40, count: 10, chunks: 3...3, total: 9) == 4..<7)
    }

    @Test("a jump closes the window, and reading on from there opens it again")
    func closes() {
        var ahead = ReadAhead()
        _ = ahead.read(at: 0, count: 10, chunks: 0...0, total: 9)
        #expect(ahead.read(at: 5000, count: 10, chunks: 5...5, total: 9).isEmpty)
        #expect(ahead.read(at: 5010, count: 10, chunks: 6...6, total: 9) == 7..<8)
    }

    @Test("nothing is fetched beyond the last chunk")
    func ends() {
        var ahead = ReadAhead()
        #expect(ahead.read(at: 0, count: 10, chunks: 0...0, total: 1).isEmpty)
        #expect(ahead.read(at: 10, count: 10, chunks: 1...1, total: 2).isEmpty)
    }
}
