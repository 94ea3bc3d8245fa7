/// What an image says about how it is to be run: user, environment, program and folder.
///
/// Source: OCI image specification 1.1, image configuration, `config`.
public struct ImageConfiguration: Sendable, Hashable {
    /// `user`, `uid`, `user:group`, `uid:gid`; empty for root.
    public var user: String
    /// `NAME=value`.
    public var environment: [String]
    public var entrypoint: [String]
    public var command: [String]
    /// Absolute; `/` when the image names none.
    public var workingFolder: String
    /// The number or name of the signal that asks the program to end; `nil` for SIGTERM.
    public var stopSignal: String?
    public var architecture: String?

    public init(
        user: String = "", environment: [String] = [], entrypoint: [String] = [], command: [String] = [],
        workingFolder: String = "/", stopSignal: String? = nil, architecture: String? = nil
    ) {
        self.user = user
        self.environment = environment
        self.entrypoint = entrypoint
        self.command = command
        self.workingFolder = workingFolder
        self.stopSignal = stopSignal
        self.architecture = architecture
    }

    private struct Document: Decodable {
        struct Config: Decodable {
            let user: String?
            let environment: [String]?
            let entrypoint: [String]?
            let command: [String]?
            let workingFolder: String?
            let stopSignal: String?

            enum CodingKeys: String, CodingKey {
                case user = "User"
                case environment = "Env"
                case entrypoint = "Entrypoint"
                case command = "Cmd"
                case workingFolder = "WorkingDir"
                case stopSignal = "StopSignal"
            }
        }

        let architecture: String?
        let config: Config?
    }

    /// Reads the JSON of an OCI image, or of one that docker made.
    ///
    /// What it does not know it passes over.
    /// - Throws: `ProvisionerError` with `.configuration` when it is malformed, or beyond `ProvisionerLimits`.
    public init(parsing bytes: [UInt8]) throws(ProvisionerError) {
        let document = try BoundedJSON.decode(Document.self, from: bytes, what: "the image's configuration")
        let config = document.config
        self.init(
            user: config?.user ?? "", environment: config?.environment ?? [], entrypoint: config?.entrypoint ?? [],
            command: config?.command ?? [],
            workingFolder: config?.workingFolder.flatMap { $0.isEmpty ? nil : $0 } ?? "/",
            stopSignal: config?.stopSignal, architecture: document.architecture)
        try check()
    }

    /// The program's words when the caller gives some, or none: as docker has it, words replace `Cmd` and follow
    /// `Entrypoint`.
    public func arguments(replacingCommandBy words: [String]) -> [String] {
        entrypoint + (words.isEmpty ? command : words)
    }

    /// The environment with others set in it, and a `PATH` when there is none.
    public func environment(setting others: [String]) -> [String] {
        var merged = environment
        for setting in others {
            let name = setting.prefix { $0 != "=" }
            merged.removeAll { $0.prefix { $0 != "=" } == name }
            // A name without a value removes it.
            if setting.contains("=") { merged.append(setting) }
        }
        if !merged.contains(where: { $0.hasPrefix("PATH=") }) {
            merged.append("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        }
        return merged
    }

    private func check() throws(ProvisionerError) {
        for (name, list) in [("Env", environment), ("Entrypoint", entrypoint), ("Cmd", command)] {
            guard list.count <= ProvisionerLimits.listEntries else {
                throw ProvisionerError(
                    .configuration,
                    "the image's \(name) has \(list.count) entries, above the limit of \(ProvisionerLimits.listEntries)"
                )
            }
            for text in list { try check(text, name) }
        }
        try check(user, "User")
        try check(workingFolder, "WorkingDir")
        if let setting = environment.first(where: { $0.first == "=" || !$0.contains("=") }) {
            throw ProvisionerError(.configuration, "the image's Env holds no NAME=value but \"\(setting.prefix(64))\"")
        }
        guard workingFolder.hasPrefix("/") else {
            throw ProvisionerError(
                .configuration, "the image's WorkingDir is no absolute path: \"\(workingFolder.prefix(64))\"")
        }
        // Both come first, and are never empty.
        for (name, list) in [("Entrypoint", entrypoint), ("Cmd", command)] where list.first == "" {
            throw ProvisionerError(.configuration, "the image's \(name) begins with an empty word")
        }
    }

    private func check(_ text: String, _ name: String) throws(ProvisionerError) {
        guard text.utf8.count < ProvisionerLimits.stringBytes, !text.utf8.contains(0) else {
            throw ProvisionerError(.configuration, "the image's \(name) holds a zero byte, or more bytes than may be")
        }
    }
}
