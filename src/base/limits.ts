/**
 * Every limit of the engine in one place. A loop, a queue or a field without an entry here is a
 * mistake. Units come last in the name.
 */

/** Ranges in one page of the ledger; a page is the unit of checkpointing. */
export const RANGES_PER_PAGE = 4096;
export const RANGES_PER_TASK_MAX = Number.MAX_SAFE_INTEGER;
export const EVENTS_PER_FILE_MAX = 0xffff_ffff;
export const EVENTS_PER_TASK_MAX = Number.MAX_SAFE_INTEGER;
export const TASKS_MAX = 0xffff_ffff;
export const FILES_PER_TASK_MAX = 1_000_000;

/** Largest `attempts` and `losses` of a task file. */
export const ATTEMPTS_MAX = 100;
export const LOSSES_MAX = 100;
/** Starts of one range over its whole life, retries included: the attempt number is a byte. */
export const STARTS_PER_RANGE_MAX = 255;
/** The grant number of a range saturates here; identity rests on the lease alone. */
export const GRANTS_SATURATED = 65_535;
/** Ranges of one lease span; longer wants are cut into several leases. */
export const RANGES_PER_LEASE_MAX = 65_535;

export const FRAME_BYTES_MAX = 4 * 1024 * 1024;
/** First frame of a connection, before it is known who speaks. */
export const HELLO_FRAME_BYTES_MAX = 256 * 1024;
export const STRING_BYTES_MAX = 64 * 1024;
export const ARRAY_ITEMS_MAX = 65_536;
export const NESTING_MAX = 8;
export const SPANS_PER_MESSAGE_MAX = 65_536;
/** Ranges that the reports of one exchange cover: their verdicts must fit a frame in any pattern. */
export const RANGES_PER_EXCHANGE_MAX = 1_048_576;
/** Bytes that may wait to be written to one pilot before it is paused, then dropped. */
export const OUTBOX_BYTES_MAX = 8 * 1024 * 1024;
export const SESSIONS_MAX = 65_536;

export const HEARTBEAT_MS = 5_000;
export const LEASE_TERM_MS = 30_000;
export const HELLO_TIMEOUT_MS = 10_000;
export const COMMIT_WATCHDOG_MS = 10_000;
/** Free space under which no new lease is given out. */
export const DISK_FREE_BYTES_MIN = 1024 ** 3;
export const DISK_FREE_SHARE_MIN = 0.05;

export const TASK_FILE_BYTES_MAX = 16 * 1024 * 1024;
export const REASON_CHARACTERS_MAX = 500;
/** The same on the wire: UTF-8 of that many UTF-16 units. */
export const REASON_BYTES_MAX = 3 * REASON_CHARACTERS_MAX;
export const REASONS_PER_TASK_MAX = 10_000;
/** What is kept of a payload's standard error and log lines. */
export const PAYLOAD_LOG_BYTES_MAX = 64 * 1024;
/** One JSON line of a stream payload. */
export const PAYLOAD_LINE_BYTES_MAX = 1024 * 1024;
/** Time between the polite and the final signal to a payload's process group. */
export const PAYLOAD_KILL_GRACE_MS = 2_000;
