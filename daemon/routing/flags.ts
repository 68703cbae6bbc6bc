/**
 * What Node starts the routing process with.  A table of routes is columns of integers outside V8's heap, and what is
 * left on it dies young or never: a nursery of a few MiB is enough, and one thread for V8's own work, since each further
 * one costs an allocator's arena (together a quarter of the memory with a hundred thousand routes).
 */
export const ROUTING_FLAGS: readonly string[] = ["--max-semi-space-size=2", "--v8-pool-size=1"];
