/** Walks a task's inputs: counts, byte indexes, slice recipes. */
export type { ScanAnswer, ScanJob } from "./job.ts";
export { SCAN_WORKER, type ScanPool, type ScanTaskOptions, scanTask } from "./scan-task.ts";
export { weighTask } from "./weigh-task.ts";
