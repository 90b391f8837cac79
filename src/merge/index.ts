/** Bundles -> the task's final files, in event order, with a manifest that proves them. */
export { MERGE_WORKER, MergeCoordinator, type MergeOptions } from "./coordinator.ts";
export { type EventMapCells, eventMapOf } from "./event-map.ts";
export type { MergeJob } from "./jobs.ts";
export { manifestPathOf } from "./manifest.ts";
export type { ManifestHead, ManifestInput, ManifestOutput } from "./manifest-head.ts";
export { numberedName, type PlannedOutput, planOutputs } from "./output-plan.ts";
export {
  type Certificate,
  type CertificateFile,
  formatCertificate,
  type VerifyOptions,
  verifyManifest,
} from "./verify-task.ts";
