export * from "./commands.ts";
export { CORE_DEFAULTS, Core } from "./core.ts";
export { type Engine, type EngineOptions, startEngine } from "./engine.ts";
export type { InputSource } from "./granter.ts";
export type { CoreOptions, CoreWorld } from "./parts.ts";
export { type JobPool, openPool } from "./pool.ts";
export * from "./port.ts";
export { SEEN_STATE } from "./views.ts";
