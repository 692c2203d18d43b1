/**
 * How many bytes a peer may send before somebody reads them, of a stream and of a connection. The 64 KiB that HTTP/2 begins with
 * halve the throughput of large blobs, more than this gains nothing.
 */
export const flowWindow: number = 1024 * 1024;

/** Megabytes that a session may hold. What bounds it is the windows of its streams. */
export const sessionMemory = 4096;
