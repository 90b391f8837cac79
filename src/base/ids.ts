/**
 * Typed identities. A bare number never crosses a folder's border: each identity is a branded
 * number, so that a range index can't be handed over where an event index is meant.
 *
 *   TaskId       u32, from 1, never reused in a store
 *   RangeIndex   0 .. ranges-1 inside a task, below 2^53
 *   EventIndex   0-based entry index inside ONE file, u32
 *   LeaseId      epoch * 2^32 + leaseNumber: one safe integer that is never issued twice, since the
 *                epoch rises durably at each start of the engine; 0 means "no lease"
 *   BundleId     u32, from 1; 0 means "no bundle" (a null payload or an allowed empty output)
 *   PilotNumber  u32, from 1: the engine's durable number for a pilot's textual identity
 *   ReasonId     u32 inside a task, from 1: an interned failure reason; 0 means "none"
 *   Sequence     number of a group commit in the journal, from 1
 */

declare const brand: unique symbol;
type Branded<Name extends string> = number & { readonly [brand]: Name };

export type TaskId = Branded<"TaskId">;
export type RangeIndex = Branded<"RangeIndex">;
export type EventIndex = Branded<"EventIndex">;
export type FileIndex = Branded<"FileIndex">;
export type LeaseId = Branded<"LeaseId">;
export type Epoch = Branded<"Epoch">;
export type BundleId = Branded<"BundleId">;
export type PilotNumber = Branded<"PilotNumber">;
export type ReasonId = Branded<"ReasonId">;
export type Sequence = Branded<"Sequence">;
/** One transport connection of this process, never stored. */
export type ConnectionId = Branded<"ConnectionId">;

const LEASES_PER_EPOCH = 0x1_0000_0000;
/** Largest epoch for which `epoch * 2^32 + lease` is still a safe integer. */
export const EPOCH_MAX = 0x1f_ffff;
export const LEASE_NUMBER_MAX = 0xffff_ffff;

export const NO_LEASE = 0 as LeaseId;
export const NO_BUNDLE = 0 as BundleId;
export const NO_REASON = 0 as ReasonId;

/** Joins an epoch and a lease number (1 .. 2^32-1) to the identity that is never reused. */
export function leaseIdOf(epoch: number, leaseNumber: number): LeaseId {
  return (epoch * LEASES_PER_EPOCH + leaseNumber) as LeaseId;
}

export function leaseEpoch(lease: number): Epoch {
  return Math.floor(lease / LEASES_PER_EPOCH) as Epoch;
}

export function leaseNumber(lease: number): number {
  return lease % LEASES_PER_EPOCH;
}
