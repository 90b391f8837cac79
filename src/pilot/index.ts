/** The TypeScript pilot for one machine: the same protocol as the native one, without MPI. */
export type { PilotEnd, PilotOptions } from "./options.ts";
export { Pilot } from "./pilot.ts";
export { Relay, type RelayOptions } from "./relay.ts";
export { runPilot } from "./run.ts";
