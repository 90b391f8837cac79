import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ERRORS, EXIT, JumboError } from "../../src/base/index.ts";

const page = readFileSync(new URL("../../docs/reference/errors.md", import.meta.url), "utf8");

describe("the error table", () => {
  it("is what docs/reference/errors.md says, row by row", () => {
    const documented = page.split("\n").filter((line) => line.startsWith("| `"));
    const expected = Object.entries(ERRORS).map(
      ([code, row]) => `| \`${code}\` | ${row.exit} | ${row.http} | ${row.meaning} |`,
    );
    expect(documented).toEqual(expected);
  });

  it("documents every exit code", () => {
    const documented = page.split("\n").flatMap((line) => /^\| (\d+) \|/.exec(line)?.[1] ?? []);
    const known = Object.values(EXIT).map(String);
    expect(documented.sort()).toEqual(known.sort());
  });

  it("gives an error its exit code, status and document", () => {
    const error = new JumboError("conflict", "name is taken", { subject: "name" });
    expect(error.exitCode).toBe(7);
    expect(error.httpStatus).toBe(409);
    expect(error.toJSON()).toEqual({
      schema: "error/1",
      code: "conflict",
      message: "name is taken",
      subject: "name",
    });
  });
});
