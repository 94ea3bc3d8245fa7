/// What an image runs on. Source: OCI image specification, image index, platform.
package struct ImagePlatform: Sendable, Hashable, CustomStringConvertible {
    package let os: String
    package let architecture: String
    package let variant: String?

    package init(os: String, architecture: String, variant: String? = nil) {
        self.os = os
        self.architecture = architecture
        self.variant = variant?.isEmpty == true ? nil : variant
    }

    /// Reads `linux/arm64` or `linux/arm/v7`; `nil` for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(
            os: String(parts[0]), architecture: String(parts[1]), variant: parts.count == 3 ? String(parts[2]) : nil)
    }

    /// This machine's, with Linux as the system.
    package static var host: ImagePlatform {
        #if arch(x86_64)
            ImagePlatform(os: "linux", architecture: "amd64")
        #elseif arch(arm64)
            ImagePlatform(os: "linux", architecture: "arm64")
        #elseif arch(arm)
            ImagePlatform(os: "linux", architecture: "arm", variant: "v7")
        #elseif arch(powerpc64le)
            ImagePlatform(os: "linux", architecture: "ppc64le")
        #elseif arch(s390x)
            ImagePlatform(os: "linux", architecture: "s390x")
        #elseif arch(riscv64)
            ImagePlatform(os: "linux", architecture: "riscv64")
        #else
            ImagePlatform(os: "linux", architecture: "unknown")
        #endif
    }

    /// Whether an image for this platform is what is asked for. A variant counts only where both name one.
    func fits(_ wanted: ImagePlatform) -> Bool {
        os == wanted.os && architecture == wanted.architecture
            && (variant == nil || wanted.variant == nil || variant == wanted.variant)
    }

    package var description: String { [os, architecture, variant].compactMap { $0 }.joined(separator: "/") }
}

/// Which image of several is meant.
package struct ImageSelection: Sendable, Hashable {
    /// Its name in the layout (`org.opencontainers.image.ref.name`) or archive (a tag); `nil`: there is one only.
    package var reference: String?
    /// `nil`: this machine's, or the only one.
    package var platform: ImagePlatform?

    package init(reference: String? = nil, platform: ImagePlatform? = nil) {
        self.reference = reference
        self.platform = platform
    }
}
