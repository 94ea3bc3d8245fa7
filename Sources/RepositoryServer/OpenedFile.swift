internal import CPlatform

/// A regular file that is being sent.
final class OpenedFile: Sendable {
    let size: Int64
    private let descriptor: Int32

    /// `nil` when there is none. Blocks.
    init?(_ path: String, in folder: Int32) {
        let file = cplatform_open_file(folder, path, 0)
        guard file >= 0 else { return nil }
        var status = cplatform_status()
        guard cplatform_status_of(file, &status) >= 0, status.is_regular != 0 else {
            cplatform_close(file)
            return nil
        }
        descriptor = file
        size = status.size
    }

    deinit { cplatform_close(descriptor) }

    /// Some bytes; `nil` when they are not all there. Blocks.
    func read(_ range: Range<Int64>) -> [UInt8]? {
        let wanted = Int(range.count)
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            let got = cplatform_read_at(descriptor, buffer.baseAddress, Int64(wanted), range.lowerBound)
            count = max(0, Int(got))
        }
        return bytes.count == wanted ? bytes : nil
    }
}

/// A repository's folder, held open.
final class ServedFolder: Sendable {
    let descriptor: Int32

    init?(_ path: String) {
        descriptor = cplatform_open_folder(path)
        if descriptor < 0 { return nil }
    }

    deinit { if descriptor >= 0 { cplatform_close(descriptor) } }
}
