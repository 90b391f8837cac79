/**
 * What the fleet knows of a place that gives allocations, whatever kind it is. A provisioner looks
 * at its site, submits one shape at a time and says what became of it; it decides nothing. Times
 * are seconds since 1970 by the site's clock; a job is named by the site's own id.
 */
import type { QueueSettings } from "./settings.ts";

export const PROVISIONER_KINDS = ["local", "slurm"] as const;
export type ProvisionerKind = (typeof PROVISIONER_KINDS)[number];

/** A whole node that nobody uses now, and until when. */
export interface FreeNode {
  readonly name: string;
  readonly cores: number;
  /** Infinity: nothing that is known ends it. */
  readonly endsSeconds: number;
  /** What ends it: "job 3 is planned there", "reservation maint", ... */
  readonly why: string;
}

/** What the site itself allows for one job. */
export interface PlaceLimits {
  readonly nodesMin: number;
  readonly nodesMax: number;
  readonly walltimeSecondsMax: number;
}

/** The site as it was at one moment. */
export interface SiteSight {
  readonly nowSeconds: number;
  readonly nodes: readonly FreeNode[];
  /** All nodes of the place, free or not. */
  readonly nodesTotal: number;
  readonly limits: PlaceLimits;
  /** For people: what was seen that a shape can't show ("n1 is in use", "partition is down"). */
  readonly notes: readonly string[];
}

export type JobPhase = "pending" | "running" | "ended";

/** One of our jobs as the site sees it. */
export interface JobState {
  readonly jobId: string;
  readonly name: string;
  readonly phase: JobPhase;
  /** The site's own word: RUNNING, TIMEOUT, NODE_FAIL, ... */
  readonly state: string;
  readonly reason: string;
  /** Exit code, or 128 + signal; 0 while it has none. */
  readonly exitCode: number;
  /** 0: unknown. */
  readonly startSeconds: number;
  readonly endSeconds: number;
}

/** One allocation to submit: everything is decided. */
export interface SubmitRequest {
  readonly allocation: string;
  readonly jobName: string;
  readonly nodes: readonly string[];
  readonly seconds: number;
  /** Folder of this allocation, made; the access file lies in it. */
  readonly folder: string;
  readonly accessPath: string;
  readonly bundlesDir: string;
}

export interface Provisioner {
  readonly kind: ProvisionerKind;
  /** Throws JumboError if the site can't be asked. */
  look(): Promise<SiteSight>;
  /** The site's id of the job. Throws JumboError("refused") with the site's words. */
  submit(request: SubmitRequest): Promise<string>;
  /** Lets the job end: what runs in it gets a SIGTERM first. A job that is gone is no error. */
  cancel(jobId: string): Promise<void>;
  /** Ours by id or name, as far as the site still knows them. */
  states(jobs: readonly { jobId: string; name: string }[]): Promise<JobState[]>;
  /** Ends what lives only as long as the engine (local pilots). */
  close(): Promise<void>;
}

/** How the engine's own program is started on a node. */
export interface PilotCommand {
  /** argv up to and without `pilot start`. */
  readonly argv: readonly string[];
}

export interface ProvisionerParts {
  readonly queue: string;
  readonly settings: QueueSettings;
  readonly pilot: PilotCommand;
  readonly nowSeconds: () => number;
  readonly log: (line: string) => void;
}
