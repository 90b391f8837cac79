/**
 * Fills `{lower-case}` placeholders of a payload's argv; `{{x}}` is the text `{x}`, all other
 * braces are themselves. Values are put in byte for byte: there is no shell and no quoting.
 */
import type { RangeWork } from "./work.ts";

const PATTERN = /\{\{([a-z]+)\}\}|\{([a-z]+)\}/g;

/** True if any argument has the placeholder `{name}`. */
export function usesPlaceholder(command: readonly string[], name: string): boolean {
  return command.some((argument) =>
    [...argument.matchAll(PATTERN)].some((match) => match[2] === name),
  );
}

/** argv with values put in, or the name of the first placeholder that has none here. */
export function fillCommand(
  command: readonly string[],
  values: Readonly<Record<string, string | null>>,
): { argv: string[] } | { missing: string } {
  let missing: string | null = null;
  const argv = command.map((argument) =>
    argument.replaceAll(PATTERN, (text, escaped: string | undefined, name: string) => {
      if (escaped !== undefined) return `{${escaped}}`;
      const value = Object.hasOwn(values, name) ? values[name] : null;
      if (value === null || value === undefined) {
        missing ??= name;
        return text;
      }
      return value;
    }),
  );
  return missing === null ? { argv } : { missing };
}

/** Every placeholder of a `once` payload; null where this input has no such thing. */
export function rangeValues(work: RangeWork, slice: string | null): Record<string, string | null> {
  const { file, task } = work;
  const withBytes = work.offset >= 0;
  return {
    file: file.path === "" ? null : file.path,
    tree: file.path === "" ? null : file.tree,
    skip: String(work.start),
    count: String(work.count),
    first: String(work.start + 1),
    last: String(work.start + work.count),
    start: String(work.start),
    stop: String(work.start + work.count),
    offset: withBytes ? String(work.offset) : null,
    bytes: withBytes ? String(work.bytes) : null,
    seed: file.seed,
    range: String(work.range),
    attempt: String(work.attempt),
    output: work.output,
    workdir: work.folder,
    taskdir: task.taskDir,
    slice,
  };
}
