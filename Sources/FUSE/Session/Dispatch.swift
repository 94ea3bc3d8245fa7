internal import CFUSE
internal import SystemPackage

/// Hands each request to the file system.
struct Dispatch: Sendable {
    let files: any FileSystem
    /// The same, if it can be written to.
    let writable: (any WritableFileSystem)?
    let features: Features

    init(files: any FileSystem, features: Features) {
        self.files = files
        writable = files as? any WritableFileSystem
        self.features = features
    }

    func handle(_ message: UnsafeRawBufferPointer, on channel: Channel) {
        // A message without a header cannot be answered, and the kernel sends none.
        guard let (request, opcode) = try? RequestDecoder.header(of: message) else { return }
        channel.shared.counts.count(opcode)
        let operation: Operation
        do {
            operation = try RequestDecoder.operation(of: message)
        } catch {
            switch fuse_opcode(opcode) {
            case FUSE_FORGET, FUSE_BATCH_FORGET, FUSE_INTERRUPT: return
            default: return channel.reply(to: request.unique, .invalidArgument)
            }
        }
        handle(operation, request, channel)
    }

    /// The same for a request whose parts stand apart.
    func handle(_ message: SplitMessage, on channel: Channel) {
        guard let (request, opcode) = try? RequestDecoder.header(of: message.header) else { return }
        channel.shared.counts.count(opcode)
        do {
            handle(try RequestDecoder.operation(of: message), request, channel)
        } catch {
            channel.reply(to: request.unique, .invalidArgument)
        }
    }

    private func handle(_ operation: Operation, _ request: Request, _ channel: Channel) {
        let node = request.node
        var answer: Answer {
            Answer(channel: channel, unique: request.unique, thread: channel.shared.thread(of: request))
        }
        switch operation {
        case .lookUp(let name): files.lookUp(name.bytes.span, in: node, request, EntryReply(answer: answer))
        case .forget(let lookups): files.forget(node, lookups: lookups)
        case .forgetAll(let nodes): for (node, lookups) in nodes { files.forget(node, lookups: lookups) }
        case .getAttributes(let handle):
            files.attributes(
                of: node, handle: handle, request, AttributesReply(answer: answer, isStatx: false))
        case .statx(let handle):
            files.attributes(of: node, handle: handle, request, AttributesReply(answer: answer, isStatx: true))
        case .readLink: files.readLink(node, request, LinkReply(answer: answer))
        case .open(let flags):
            if features.contains(.noOpen) { return answer.fail(.noFunction) }
            files.open(node, flags: flags, request, OpenReply(answer: answer))
        case .read(let handle, let offset, let count):
            files.read(
                node, handle: handle, at: offset, count: count, request, ReadReply(answer: answer, count: count))
        case .statistics: files.statistics(request, StatisticsReply(answer: answer))
        case .release(let handle, let flags):
            files.release(node, handle: handle, flags: flags, request, StatusReply(answer: answer))
        case .getExtendedAttribute(let name, let count):
            files.extendedAttribute(
                name.bytes.span, of: node, request, ExtendedAttributeReply(answer: answer, count: count))
        case .listExtendedAttributes(let count):
            files.extendedAttributeNames(of: node, request, ExtendedAttributeReply(answer: answer, count: count))
        case .flush(let handle): files.flush(node, handle: handle, request, StatusReply(answer: answer))
        case .openDirectory(let flags):
            if features.contains(.noOpenDirectory) { return answer.fail(.noFunction) }
            files.openDirectory(node, flags: flags, request, OpenReply(answer: answer))
        case .readDirectory(let handle, let offset, let count, let withAttributes):
            let reply = DirectoryReply(answer: answer, count: count, withAttributes: withAttributes)
            guard let reply else { return }
            files.readDirectory(node, handle: handle, from: offset, request, reply)
        case .releaseDirectory(let handle):
            files.releaseDirectory(node, handle: handle, request, StatusReply(answer: answer))
        case .access(let mask): files.access(node, mask: mask, request, StatusReply(answer: answer))
        case .seek(let handle, let offset, let whence):
            files.seek(
                node, handle: handle, from: offset, whence: whence, request, OffsetReply(answer: answer))
        case .interrupt(let unique): channel.shared.pending.interrupt(unique)
        case .destroy: answer.succeed()
        case .initialize, .unknown: answer.fail(.noFunction)
        default: change(operation, request, answer)
        }
    }

    private func change(_ operation: Operation, _ request: Request, _ answer: consuming Answer) {
        guard let files = writable else { return answer.fail(.readOnlyFileSystem) }
        let node = request.node
        switch operation {
        case .setAttributes(let changes):
            files.setAttributes(of: node, changes, request, AttributesReply(answer: answer, isStatx: false))
        case .makeLink(let name, let target):
            files.makeLink(
                name.bytes.span, in: node, to: target.bytes.span, request, EntryReply(answer: answer))
        case .makeNode(let name, let mode, let device):
            files.makeNode(
                name.bytes.span, in: node, mode: mode, device: device, request, EntryReply(answer: answer))
        case .makeDirectory(let name, let mode):
            files.makeDirectory(name.bytes.span, in: node, mode: mode, request, EntryReply(answer: answer))
        case .remove(let name): files.remove(name.bytes.span, in: node, request, StatusReply(answer: answer))
        case .removeDirectory(let name):
            files.removeDirectory(name.bytes.span, in: node, request, StatusReply(answer: answer))
        case .rename(let name, let newParent, let newName, let flags):
            files.rename(
                name.bytes.span, in: node, to: newName.bytes.span, in: newParent, flags: flags, request,
                StatusReply(answer: answer))
        case .link(let linked, let name):
            files.link(linked, as: name.bytes.span, in: node, request, EntryReply(answer: answer))
        case .write(let handle, let offset, let content):
            files.write(
                content.bytes, to: node, handle: handle, at: offset, request, WriteReply(answer: answer))
        case .synchronize(let handle, let dataOnly):
            files.synchronize(node, handle: handle, dataOnly: dataOnly, request, StatusReply(answer: answer))
        case .setExtendedAttribute(let name, let value, let flags):
            files.setExtendedAttribute(
                name.bytes.span, of: node, to: value.bytes, flags: flags, request, StatusReply(answer: answer))
        case .removeExtendedAttribute(let name):
            files.removeExtendedAttribute(name.bytes.span, of: node, request, StatusReply(answer: answer))
        default: answer.fail(.noFunction)
        }
    }
}
