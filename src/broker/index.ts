/**
 * The handles by which the house reaches a core. The core itself and all that it needs is loaded
 * where it runs (core-worker.ts; engine.ts for `--inline`): a start waits for it, and for nothing else.
 */
export * from "./commands.ts";
export type { InputSource } from "./describe.ts";
export { type Engine, type EngineOptions, startEngine } from "./engine.ts";
export type { CoreOptions, CoreWorld } from "./parts.ts";
export { type JobPool, openPool } from "./pool.ts";
export * from "./port.ts";
