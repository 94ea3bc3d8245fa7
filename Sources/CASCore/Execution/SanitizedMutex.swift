#if THREAD_SANITIZER
    internal import CPlatform

    /// Takes the place of Synchronization's `Mutex` in builds for the thread sanitizer, which on Linux does not see that
    /// one and would report every access under it.
    ///
    /// Modules that lock have `typealias Mutex = SanitizedMutex` for such builds:
    /// `swift test --sanitize=thread -Xswiftc -DTHREAD_SANITIZER`.
    ///
    /// `@unchecked`: the value is accessed between `lock` and `unlock` of the gate alone, a pthread mutex.
    package struct SanitizedMutex<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
        private let gate = cplatform_gate_create()
        private let value: UnsafeMutablePointer<Value>

        package init(_ value: consuming sending Value) {
            self.value = .allocate(capacity: 1)
            self.value.initialize(to: value)
        }

        deinit {
            value.deinitialize(count: 1)
            value.deallocate()
            cplatform_gate_destroy(gate)
        }

        package borrowing func withLock<Result: ~Copyable, Failure: Error>(
            _ body: (inout sending Value) throws(Failure) -> sending Result
        ) throws(Failure) -> sending Result {
            cplatform_gate_lock(gate)
            defer { cplatform_gate_unlock(gate) }
            return try body(&value.pointee)
        }

        package borrowing func withLockIfAvailable<Result: ~Copyable, Failure: Error>(
            _ body: (inout sending Value) throws(Failure) -> sending Result
        ) throws(Failure) -> sending Result? {
            guard cplatform_gate_try_lock(gate) != 0 else { return nil }
            defer { cplatform_gate_unlock(gate) }
            return try body(&value.pointee)
        }
    }

    typealias Mutex = SanitizedMutex
#endif
