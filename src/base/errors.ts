/**
 * The one error table: code -> HTTP status, exit code, hint. docs/reference/errors.md is kept in
 * step by a test. Message grammar: *problem (why it is one) what would be right*.
 *
 * Exit codes: 0 ok, 1 work failed, 2 usage or invalid task file, 3 not found, 4 refused,
 * 5 unreachable, 6 timed out, 7 conflict, 74 store I/O, 130 interrupted.
 */

export const EXIT = {
  ok: 0,
  workFailed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  unreachable: 5,
  timedOut: 6,
  conflict: 7,
  storeIo: 74,
  interrupted: 130,
} as const;

interface ErrorRow {
  readonly http: number;
  readonly exit: number;
  readonly meaning: string;
}

export const ERRORS = {
  usage: {
    http: 400,
    exit: EXIT.usage,
    meaning: "The command line or request is not of the documented form.",
  },
  task_invalid: {
    http: 400,
    exit: EXIT.usage,
    meaning: "The task file has a wrong key, type, value, or a missing input.",
  },
  input_unreadable: {
    http: 400,
    exit: EXIT.usage,
    meaning: "An input file is missing, unreadable, or not of the stated format.",
  },
  not_found: {
    http: 404,
    exit: EXIT.notFound,
    meaning: "No task, file or store of that name is here.",
  },
  refused: {
    http: 403,
    exit: EXIT.refused,
    meaning: "The credential does not allow this, or the engine does not take it now.",
  },
  unauthorized: {
    http: 401,
    exit: EXIT.refused,
    meaning: "No valid credential came with the request.",
  },
  unreachable: {
    http: 503,
    exit: EXIT.unreachable,
    meaning: "The engine does not answer at the address of its access file.",
  },
  timed_out: {
    http: 504,
    exit: EXIT.timedOut,
    meaning: "The stated time passed before the result was there.",
  },
  conflict: {
    http: 409,
    exit: EXIT.conflict,
    meaning: "The name is taken by other content, or the state does not allow this.",
  },
  protocol: { http: 400, exit: EXIT.refused, meaning: "A peer broke the pilot protocol." },
  version: {
    http: 400,
    exit: EXIT.refused,
    meaning: "A peer speaks another version of the pilot protocol.",
  },
  store_io: {
    http: 503,
    exit: EXIT.storeIo,
    meaning:
      "The store could not be read or written; the engine stopped so that nothing acknowledged is lost.",
  },
  store_damaged: { http: 503, exit: EXIT.storeIo, meaning: "The store's files fail their checks." },
  merge_failed: { http: 500, exit: EXIT.workFailed, meaning: "The outputs could not be merged." },
  work_failed: { http: 500, exit: EXIT.workFailed, meaning: "Some ranges failed for good." },
  interrupted: { http: 503, exit: EXIT.interrupted, meaning: "A signal ended the command." },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** An operating error: expected, explained, mapped to one exit code and one HTTP status. */
export class JumboError extends Error {
  override readonly name = "JumboError";
  readonly code: ErrorCode;
  /** The key, flag or path that the error is about, where there is one. */
  readonly subject: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { subject?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.subject = options.subject;
  }

  get exitCode(): number {
    return ERRORS[this.code].exit;
  }

  get httpStatus(): number {
    return ERRORS[this.code].http;
  }

  toJSON(): { schema: "error/1"; code: ErrorCode; message: string; subject?: string } {
    const document = { schema: "error/1" as const, code: this.code, message: this.message };
    return this.subject === undefined ? document : { ...document, subject: this.subject };
  }
}

/** The text of anything thrown, on one line. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
