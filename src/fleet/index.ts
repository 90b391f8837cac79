/** Queues that give allocations: looked at live, shaped, submitted, cleared up after. */
export { Fleet, type FleetOptions, type QueueView } from "./fleet.ts";
export { allocationAccess } from "./folder.ts";
export { type SlurmSight, sightOf } from "./holes.ts";
export {
  type Launcher,
  type Mpi,
  pilotProgram,
  pilotScript,
  type ScriptOptions,
} from "./pilot-script.ts";
export { type Hole, type Plan, type PlanInput, planShapes, type Shape } from "./plan.ts";
export type { AllocationRecord } from "./records.ts";
export { type QueueSettings, SETTING_DEFAULTS, settingsOf } from "./settings.ts";
export {
  type FreeNode,
  type JobState,
  type PilotCommand,
  PROVISIONER_KINDS,
  type Provisioner,
  type SiteSight,
  type SubmitRequest,
} from "./types.ts";
