/**
 * Assertions that stay on in production. A failed one is a programmer's error: it is thrown, the
 * engine stops, and recovery starts from what is durable. Operating errors are values or
 * `JumboError`s (errors.ts), never assertions.
 */
export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** Says at compile time that every case is handled, and at run time that one was not. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unhandled case ${JSON.stringify(value)}`);
}
