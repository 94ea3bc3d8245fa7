import ArgumentParser

/// A repository's name and its servers, of a NAME that is either a name or the repository's URL.
struct RepositoryAddress {
    let fqrn: String
    /// URLs, the preferred one first.
    let servers: [String]

    init(_ name: String, servers: [String]) throws {
        guard name.contains("://") else {
            guard !servers.isEmpty else {
                throw ValidationError(
                    "Where is \(name)? Give --server http://HOST/cvmfs/@fqrn@, or the repository's URL in place of its name."
                )
            }
            (fqrn, self.servers) = (name, servers)
            return
        }
        let url = String(name.reversed().drop { $0 == "/" }.reversed())
        guard let fqrn = url.split(separator: "/").last.map(String.init) else {
            throw ValidationError("\(name) has no repository's name at its end.")
        }
        (self.fqrn, self.servers) = (fqrn, [url] + servers)
    }
}
