extension CatalogStatistics.Counters {
    /// Adds an entry, or takes one away. Source: format 3.2.
    ///
    /// - Parameters:
    ///   - times: 1 or -1.
    ///   - chunks: rows of table `chunks` that the entry has.
    mutating func count(_ record: EntryRecord, chunks: Int, times: Int64) {
        switch record.kind {
        case .directory: directories &+= times
        case .symlink: symlinks &+= times
        case .fifo, .socket, .character, .block: specials &+= times
        case .file:
            regular &+= times
            fileBytes &+= times &* record.size
            if record.isChunked {
                chunkedFiles &+= times
                chunkedBytes &+= times &* record.size
            }
            if record.isExternal {
                externalFiles &+= times
                externalBytes &+= times &* record.size
            }
        }
        self.chunks &+= times &* Int64(chunks)
        if record.xattrs != nil { xattrs &+= times }
    }

    package static func - (left: Self, right: Self) -> Self {
        var difference = left
        for (_, counter) in names { difference[keyPath: counter] &-= right[keyPath: counter] }
        return difference
    }
}
