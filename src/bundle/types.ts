/**
 * Bundles: store-only zip64 containers into which a pilot node appends the outputs of many ranges.
 *
 *   [local header | name | extra | data]*  [central directory] [zip64 end] [end]
 *
 * Sizes and CRC-32 stand in the LOCAL headers, so a bundle without a central directory (its pilot
 * died) reads front to back; a torn last member is recognised and ignored. The extra field with id
 * 0x4a42 ("JB") carries what the books need per range and the store never holds.
 */

/** Names are `t<task>/r<range>.e<epoch>.l<leaseNumber>/<output file>`: the fence is in the name. */
export interface MemberFence {
  readonly task: number;
  readonly range: number;
  /** The full lease identity (epoch folded in). */
  readonly lease: number;
}

export interface MemberNote {
  readonly attempt: number;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** Node name that wrote it. */
  readonly node: string;
}

export interface BundleMember extends MemberFence, MemberNote {
  readonly name: string;
  /** Offset of the member's data in the bundle. */
  readonly offset: number;
  readonly bytes: number;
  readonly crc32: number;
}

/** Appends members; `sync` makes all that was appended durable before its ranges are reported. */
export interface BundleWriter {
  readonly path: string;
  readonly uri: string;
  /** Members and bytes so far; the pilot rotates to a new bundle by these. */
  readonly members: number;
  readonly bytes: number;
  /**
   * Appends one file's content (streamed, CRC on the way). A failed append leaves no member: it
   * throws JumboError("work_failed") for a source that is no plain file, is gone or changes, and
   * the file system's error if the bundle can't be written.
   */
  append(
    fence: MemberFence,
    note: MemberNote,
    fileName: string,
    sourcePath: string,
  ): Promise<BundleMember>;
  sync(): Promise<void>;
  /** Writes the central directory, syncs, closes. */
  close(): Promise<void>;
}

export interface BundleReader {
  readonly uri: string;
  /** True if it was read front to back because it has no central directory. */
  readonly salvaged: boolean;
  /** The member of that range under that lease, or undefined. */
  find(fence: MemberFence): BundleMember | undefined;
  members(): Iterable<BundleMember>;
  /** Reads one member and checks its CRC; throws BundleDamage on a mismatch or short read. */
  read(member: BundleMember): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A bundle or member that is gone or fails its checks: proof that lets the engine reopen ranges. */
export class BundleDamage extends Error {
  override readonly name = "BundleDamage";
  readonly uri: string;
  constructor(uri: string, message: string) {
    super(message);
    this.uri = uri;
  }
}
