internal import CASCore

extension StoredObject {
    /// The whole content, of an object whose size has been bounded before.
    func readAll() throws(CASError) -> [UInt8] {
        let size = Int(size)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
        defer { buffer.deallocate() }
        var done = 0
        while done < size {
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]), at: Int64(done))
            guard count > 0 else { throw CASError(.damagedCache, "object \(id) ends after \(done) of \(size) bytes") }
            done += count
        }
        return Array(buffer)
    }
}
