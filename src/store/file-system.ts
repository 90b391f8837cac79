/**
 * On which file systems a store may live. LMDB maps its file into memory and relies on coherent
 * pages, robust mutexes and fdatasync of ONE kernel: over a network or shared file system it loses
 * or corrupts data, silently. So those are refused by their statfs magic. FUSE is judged by the
 * type in the mount table: known local ones pass, everything else is refused.
 */
import { readFileSync, statfsSync } from "node:fs";
import { JumboError, messageOf } from "../base/index.ts";

const FUSE_MAGIC = 0x65735546;
/** statfs f_type (Linux: include/uapi/linux/magic.h and the file systems' own sources). */
const REFUSED: Readonly<Record<number, string>> = {
  [0x6969]: "NFS",
  [0x517b]: "SMB",
  [0xfe534d42]: "SMB2",
  [0xff534d42]: "CIFS",
  [0x564c]: "NCP",
  [0x0bd00bd0]: "Lustre",
  [0x47504653]: "GPFS (Spectrum Scale)",
  [0x19830326]: "BeeGFS",
  [0x00c36400]: "CephFS",
  [0x5346414f]: "AFS",
  [0x6b414653]: "AFS",
  [0x73757245]: "Coda",
  [0xaad7aaea]: "PanFS",
  [0x20030528]: "OrangeFS",
  [0x7461636f]: "OCFS2",
  [0x01161970]: "GFS2",
  [0x01021997]: "9P (a folder of the host)",
  [0x786f4256]: "VirtualBox shared folder",
  [0xbacbacbc]: "VMware shared folder",
};
/** FUSE types that are one machine's own disk. */
const LOCAL_FUSE = new Set([
  "fuseblk",
  "fuse.fuse-overlayfs",
  "fuse.bindfs",
  "fuse.gocryptfs",
  "fuse.encfs",
  "fuse.ext2",
  "fuse.ntfs-3g",
]);

/**
 * Name of the file system if it is unfit for a store, else "". `type` is the mount table's word.
 */
export function unfitFileSystem(magic: number, type: string): string {
  if (magic === FUSE_MAGIC) return LOCAL_FUSE.has(type) ? "" : `FUSE (${type || "unknown type"})`;
  return REFUSED[magic] ?? "";
}

/** File system type of a device by `/proc/self/mountinfo`, "" if it is not listed. */
export function mountType(mountInfo: string, device: number): string {
  const name = `${(device >> 8) & 0xfff}:${(device & 0xff) | ((device >>> 12) & 0xfff00)}`;
  let found = "";
  for (const line of mountInfo.split("\n")) {
    const fields = line.split(" ");
    if (fields[2] === name) found = fields[fields.indexOf("-") + 1] ?? "";
  }
  return found;
}

/** Throws `refused` if the folder is on a network or shared file system. */
export function requireLocalFileSystem(folder: string, device: number): void {
  const magic = statfsSync(folder).type >>> 0;
  let type = "";
  if (magic === FUSE_MAGIC) {
    try {
      type = mountType(readFileSync("/proc/self/mountinfo", "utf8"), device);
    } catch (error) {
      type = `its type can't be read: ${messageOf(error)}`;
    }
  }
  const unfit = unfitFileSystem(magic, type);
  if (unfit === "") return;
  throw new JumboError(
    "refused",
    `the store's folder ${folder} is on ${unfit} (the store maps its file into memory, which ` +
      "loses data on network and shared file systems) use --store on a disk of this machine, " +
      "such as /tmp, /var/tmp or the batch system's local scratch; --scratch, --results and " +
      "bundles may stay on shared ones",
    { subject: folder },
  );
}
