internal import CASCore
internal import CPlatform
internal import Synchronization
internal import SystemPackage

/// Plain or stored content into an open file, from its start. The file belongs to whoever opened it.
final class FileOutput: ContentOutput {
    private let descriptor: Int32
    private let label: String
    private let size = Mutex<Int64>(0)

    init(descriptor: Int32, label: String) {
        self.descriptor = descriptor
        self.label = label
    }

    func restart() throws(CASError) {
        try size.withLock { size throws(CASError) in
            size = 0
            try check(cplatform_truncate(descriptor, 0))
        }
    }

    func write(_ bytes: RawSpan) throws(CASError) {
        let result = bytes.withUnsafeBytes { bytes in
            size.withLock { size in
                let result = cplatform_write_at(descriptor, bytes.baseAddress, Int64(bytes.count), size)
                if result >= 0 { size += Int64(bytes.count) }
                return result
            }
        }
        try check(result)
    }

    private func check(_ result: Int32) throws(CASError) {
        guard result < 0 else { return }
        let error = Errno(rawValue: -result)
        let code: CASError.Code = error == .noSpace || error == .diskQuotaExceeded ? .noSpace : .system
        throw CASError(code, "\(label): cannot be written", errno: error)
    }
}
