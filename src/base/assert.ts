/**
 * Assertions that stay on in production. A failed one is a programmer's error: it is thrown, the
 * engine stops, and recovery starts from what is durable. Operating errors are values or
 * `JumboError`s (errors.ts), never assertions.
 */
export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

/**
 * In hot paths the message is a constant and the values follow it, each for one `%`: a template
 * would be put together each time, and that costs more than what it guards.
 */
export function assert(
  condition: unknown,
  message: string,
  first?: unknown,
  second?: unknown,
  third?: unknown,
): asserts condition {
  if (!condition) fail(message, [first, second, third]);
}

function fail(message: string, values: unknown[]): never {
  throw new AssertionFailure(message.replace(/%/g, () => String(values.shift())));
}

/** Says at compile time that every case is handled, and at run time that one was not. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unhandled case ${JSON.stringify(value)}`);
}
