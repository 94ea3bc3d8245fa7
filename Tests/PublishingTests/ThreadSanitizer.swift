#if THREAD_SANITIZER
    import CASCore

    // Shadows Synchronization's, which the thread sanitizer does not see on Linux.
    typealias Mutex = SanitizedMutex
#endif
