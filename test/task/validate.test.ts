import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { JumboError } from "../../src/base/index.ts";
import { type TaskSpec, validateTask } from "../../src/task/index.ts";

const dir = mkdtempSync(join(tmpdir(), "jumbo-task-"));
mkdirSync(join(dir, "data", "deep"), { recursive: true });
for (const name of ["b.csv", "B.csv", "a.csv", "é.csv", "x[1].csv", "deep/c.csv"]) {
  writeFileSync(join(dir, "data", name), "h\n1\n");
}
symlinkSync("a.csv", join(dir, "data", "link.dat"));
symlinkSync("nowhere", join(dir, "data", "dangling.lnk"));
afterAll(() => rmSync(dir, { recursive: true }));

type Json = Record<string, unknown>;

function task(change: Json = {}): Json {
  const base: Json = {
    name: "t",
    input: { count: 10 },
    payload: { command: ["run", "{output}"] },
    output: { name: "out.jsonl" },
  };
  return { ...base, ...change };
}

function validate(value: unknown): TaskSpec {
  return validateTask(value, { taskDir: dir, results: "/results", ownerDefault: "ann" });
}

function refusal(value: unknown): JumboError {
  try {
    validate(value);
  } catch (error) {
    if (error instanceof JumboError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(value)}`);
}

describe("a valid task", () => {
  it("has every documented default", () => {
    expect(validate(task())).toEqual({
      name: "t",
      owner: "ann",
      taskDir: dir,
      input: { files: [], format: "auto", tree: "", count: 10 },
      eventsPerRange: 1,
      payload: {
        command: ["run", "{output}"],
        mode: "once",
        channel: "stdio",
        cores: 1,
        environment: {},
        passEnvironment: [],
        timeoutSeconds: 0,
      },
      output: {
        name: "out.jsonl",
        merge: "jsonl",
        command: [],
        eventsPerFile: 0,
        recordsPerEvent: null,
        allowEmpty: false,
        results: "/results",
      },
      attempts: 3,
      losses: 5,
      allowPartial: false,
      priority: 0,
      seed: 0,
      cost: { meanSeconds: null, cv: null, weights: null },
    });
  });

  it("keeps what it says, hints included, and leaves its object alone", () => {
    const given = task({
      owner: "bob@site",
      cost: { meanSeconds: 2.5, weights: "nparticles" },
      payload: { command: [":null"], environment: { OMP_NUM_THREADS: "4" } },
    });
    const before = structuredClone(given);
    const spec = validate(given);
    expect(given).toEqual(before);
    expect(spec.owner).toBe("bob@site");
    expect(spec.cost).toEqual({ meanSeconds: 2.5, cv: null, weights: "nparticles" });
    expect(spec.payload.environment).toEqual({ OMP_NUM_THREADS: "4" });
  });

  it("takes the outermost values", () => {
    const most = Number.MAX_SAFE_INTEGER;
    const spec = validate(
      task({
        input: { count: most },
        eventsPerRange: most,
        attempts: 100,
        losses: 100,
        seed: most,
      }),
    );
    expect(spec).toMatchObject({ eventsPerRange: most, attempts: 100, losses: 100, seed: most });
  });
});

describe("input.files", () => {
  const files = (...entries: string[]) => validate(task({ input: { files: entries } })).input.files;
  const data = (...names: string[]) => names.map((name) => join(dir, "data", name));

  it("are expanded without a shell, sorted bytewise, in the order of the entries", () => {
    expect(files("data/*.csv")).toEqual(data("B.csv", "a.csv", "b.csv", "x[1].csv", "é.csv"));
    expect(files("data/b.csv", "data/[aB].csv")).toEqual(data("b.csv", "B.csv", "a.csv"));
    expect(files("data/**/*.csv")).toHaveLength(6);
    expect(files(join(dir, "data", "{b,a}.csv"))).toEqual(data("a.csv", "b.csv"));
  });

  it("may be listed twice, be symlinks, and hold the letters of globs", () => {
    expect(files("data/a.csv", "./data/a.csv")).toEqual(data("a.csv", "a.csv"));
    expect(files("data/link.dat")).toEqual(data("link.dat"));
    expect(files("data/x[1].csv")).toEqual(data("x[1].csv"));
  });

  it("need a folder to be relative to", () => {
    const value = task({ input: { files: ["data/a.csv"] } });
    const context = { taskDir: "", results: "/r", ownerDefault: "" };
    expect(() => validateTask(value, context)).toThrow(/input.files\[0\].*absolute/);
  });
});

/** What is wrong, the key that the error must name, and what its text must say. */
const MISTAKES: [string, Json, string, RegExp][] = [
  [
    "unknown key, misspelt",
    task({ evntsPerRange: 2 }),
    "evntsPerRange",
    /unknown.*"eventsPerRange"/,
  ],
  [
    "unknown key, other case",
    task({ events_per_range: 2 }),
    "events_per_range",
    /"eventsPerRange"/,
  ],
  ["unknown key, strange", task({ zebra: 1 }), "zebra", /known are name, owner, input/],
  ["a key at the wrong level", task({ count: 5 }), "count", /belongs below "input"/],
  [
    "a top key below a group",
    task({ output: { name: "o", attempts: 2 } }),
    "output.attempts",
    /belongs at the top/,
  ],
  ["unknown key below", task({ cost: { mean: 1 } }), "cost.mean", /known are meanSeconds/],
  ["__proto__", JSON.parse(`{"name":"t","__proto__":{}}`) as Json, "__proto__", /unknown/],
  ["name missing", { ...task(), name: undefined } as Json, "name", /must be a text|missing/],
  ["nothing at all", {}, "name", /is missing.*write a name like/],
  ["output missing", { name: "t", input: {}, payload: { command: ["x"] } }, "output", /missing/],
  ["name with ../", task({ name: "../x" }), "name", /parts of paths.*write a name like/],
  ["name with a slash", task({ name: "a/b" }), "name", /1 to 128/],
  ["name too long", task({ name: "x".repeat(129) }), "name", /1 to 128/],
  ["name a dot first", task({ name: ".x" }), "name", /letter or digit first/],
  ["name with a line feed", task({ name: "x\n" }), "name", /1 to 128/],
  ["name a number", task({ name: 12 }), "name", /is 12 \(it must be a text\)/],
  ["owner strange", task({ owner: "a b" }), "owner", /token's owner/],
  [
    "eventsPerRange 0",
    task({ eventsPerRange: 0 }),
    "eventsPerRange",
    /is 0 \(a range holds at least one/,
  ],
  ["eventsPerRange 1.5", task({ eventsPerRange: 1.5 }), "eventsPerRange", /1.5.*a whole number/],
  [
    "eventsPerRange text",
    task({ eventsPerRange: "5" }),
    "eventsPerRange",
    /text "5".*without quotes/,
  ],
  ["eventsPerRange NaN", task({ eventsPerRange: Number.NaN }), "eventsPerRange", /is NaN/],
  [
    "eventsPerRange huge",
    task({ eventsPerRange: 2 ** 53 }),
    "eventsPerRange",
    /to 9007199254740991/,
  ],
  ["eventsPerRange infinite", task({ eventsPerRange: Infinity }), "eventsPerRange", /is Infinity/],
  ["eventsPerRange null", task({ eventsPerRange: null }), "eventsPerRange", /is null/],
  ["count 0", task({ input: { count: 0 } }), "input.count", /is 0 .*at least one/],
  ["count 2^53", task({ input: { count: 2 ** 53 } }), "input.count", /below 2\^53/],
  ["count negative", task({ input: { count: -1 } }), "input.count", /is -1/],
  ["count text", task({ input: { count: "10" } }), "input.count", /without quotes/],
  ["both", task({ input: { count: 1, files: ["a"] } }), "input", /both files and count/],
  ["neither", task({ input: {} }), "input", /neither files nor count/],
  ["input a list", task({ input: ["a"] }), "input", /a list \(it must be a group of keys\)/],
  ["files empty", task({ input: { files: [] } }), "input.files", /an empty list .*at least one/],
  ["files one text", task({ input: { files: "a" } }), "input.files", /a list.*not one text/],
  ["files a number", task({ input: { files: [7] } }), "input.files[0]", /is 7/],
  ["files an empty text", task({ input: { files: [""] } }), "input.files[0]", /empty text/],
  ["file missing", task({ input: { files: ["no.csv"] } }), "input.files[0]", /is missing.*correct/],
  [
    "file below a file",
    task({ input: { files: ["data/a.csv/x"] } }),
    "input.files[0]",
    /is missing/,
  ],
  [
    "symlink dangling",
    task({ input: { files: ["data/dangling.lnk"] } }),
    "input.files[0]",
    /missing/,
  ],
  [
    "glob for nothing",
    task({ input: { files: ["data/*.root"] } }),
    "input.files[0]",
    /matches no file/,
  ],
  ["a directory", task({ input: { files: ["data"] } }), "input.files[0]", /is a directory.*\*/],
  [
    "a glob finding one",
    task({ input: { files: ["data/d*p"] } }),
    "input.files[0]",
    /is a directory/,
  ],
  ["a device", task({ input: { files: ["/dev/null"] } }), "input.files[0]", /no regular file/],
  ["NUL in a path", task({ input: { files: ["a\0b"] } }), "input.files[0]", /NUL/],
  [
    "format unknown",
    task({ input: { files: ["x"], format: "rot" } }),
    "input.format",
    /did you mean root/,
  ],
  [
    "tree of a csv",
    task({ input: { files: ["x"], format: "csv", tree: "t" } }),
    "input.tree",
    /only root/,
  ],
  [
    "format of a count",
    task({ input: { count: 1, format: "lhe" } }),
    "input.format",
    /reads no files/,
  ],
  ["command missing", task({ payload: {} }), "payload.command", /is missing.*list of texts/],
  ["command empty", task({ payload: { command: [] } }), "payload.command", /needs a program/],
  ["command one text", task({ payload: { command: "a b" } }), "payload.command", /not one text/],
  ["command a number", task({ payload: { command: ["x", 5] } }), "payload.command[1]", /quotes/],
  [
    "command first empty",
    task({ payload: { command: [""] } }),
    "payload.command[0]",
    /names the program/,
  ],
  [
    "command :nul",
    task({ payload: { command: [":nul"] } }),
    "payload.command[0]",
    /:null is the only/,
  ],
  ["NUL in an argument", task({ payload: { command: ["x", "\0"] } }), "payload.command[1]", /NUL/],
  [
    "half a surrogate",
    task({ payload: { command: ["\ud800"] } }),
    "payload.command[0]",
    /surrogate/,
  ],
  [
    "argument too long",
    task({ payload: { command: ["x".repeat(65_537)] } }),
    "payload.command[0]",
    /at most 65536/,
  ],
  [
    "placeholder unknown",
    task({ payload: { command: ["x", "--n={cuont}"] } }),
    "payload.command[1]",
    /\{cuont\}.*did you mean \{count\}\?.*known are \{file\} \{tree\}.*\{\{cuont\}\} stands for/,
  ],
  [
    "placeholder of files",
    task({ payload: { command: ["x", "{slice}"] } }),
    "payload.command[1]",
    /no files.*\{start\}/,
  ],
  [
    "range placeholder in a stream",
    task({ payload: { command: ["x", "{output}"], mode: "stream" } }),
    "payload.command[1]",
    /before it is given a range/,
  ],
  ["mode", task({ payload: { command: ["x"], mode: "steam" } }), "payload.mode", /mean stream/],
  ["channel", task({ payload: { command: ["x"], channel: "fd3" } }), "payload.channel", /stream/],
  ["cores 0", task({ payload: { command: ["x"], cores: 0 } }), "payload.cores", /from 1/],
  [
    "environment number",
    task({ payload: { command: ["x"], environment: { A: 1 } } }),
    "payload.environment.A",
    /put numbers in quotes/,
  ],
  [
    "environment name",
    task({ payload: { command: ["x"], environment: { "A=B": "1" } } }),
    "payload.environment.A=B",
    /letters, digits and _/,
  ],
  [
    "passEnvironment",
    task({ payload: { command: ["x"], passEnvironment: ["A*"] } }),
    "payload.passEnvironment[0]",
    /letters, digits and _/,
  ],
  [
    "timeout negative",
    task({ payload: { command: ["x"], timeoutSeconds: -1 } }),
    "payload.timeoutSeconds",
    /seconds from 0/,
  ],
  ["output.name ../", task({ output: { name: "../o" } }), "output.name", /no slash.*--results/],
  ["output.name slash", task({ output: { name: "a/o" } }), "output.name", /no slash/],
  ["output.name ..", task({ output: { name: ".." } }), "output.name", /plain file name/],
  ["merge unknown", task({ output: { name: "o", merge: "json" } }), "output.merge", /mean jsonl\?/],
  [
    "merge command alone",
    task({ output: { name: "o", merge: "command" } }),
    "output.command",
    /missing/,
  ],
  [
    "merge command without inputs",
    task({ output: { name: "o", merge: "command", command: ["cat", "{output}"] } }),
    "output.command",
    /lacks \{inputs\}/,
  ],
  [
    "merge command, payload's placeholder",
    task({
      output: { name: "o", merge: "command", command: ["c", "{inputs}", "{output}", "{file}"] },
    }),
    "output.command[3]",
    /known are \{inputs\} \{output\}/,
  ],
  [
    "command without merge command",
    task({ output: { name: "o", command: ["x"] } }),
    "output.command",
    /output.merge is jsonl/,
  ],
  [
    "records of a zip",
    task({ output: { name: "o", merge: "zip", recordsPerEvent: 1 } }),
    "output.recordsPerEvent",
    /no records/,
  ],
  [
    "no records but not empty",
    task({ output: { name: "o", recordsPerEvent: 0 } }),
    "output.recordsPerEvent",
    /allowEmpty/,
  ],
  [
    "records a fraction",
    task({ output: { name: "o", recordsPerEvent: 0.5 } }),
    "output.recordsPerEvent",
    /a whole number or null/,
  ],
  [
    "allowEmpty text",
    task({ output: { name: "o", allowEmpty: "yes" } }),
    "output.allowEmpty",
    /true or false/,
  ],
  ["attempts 0", task({ attempts: 0 }), "attempts", /from 1 to 100/],
  ["attempts 101", task({ attempts: 101 }), "attempts", /from 1 to 100/],
  ["losses 0", task({ losses: 0 }), "losses", /from 1 to 100/],
  ["seed negative", task({ seed: -1 }), "seed", /from 0/],
  ["priority half", task({ priority: 0.5 }), "priority", /a whole number/],
  ["cost.meanSeconds 0", task({ cost: { meanSeconds: 0 } }), "cost.meanSeconds", /takes some time/],
  ["allowPartial 1", task({ allowPartial: 1 }), "allowPartial", /true or false/],
];

describe("a mistake", () => {
  it.each(MISTAKES)("is refused: %s", (_, value, key, text) => {
    const error = refusal(value);
    expect(error.subject).toBe(key);
    expect(error.message).toMatch(text);
    // The grammar: "key" problem (why) what would be right, on one line.
    expect(error.message).toMatch(/^[^\n]*"[^\n]*\([^\n]+\) [^\n]+$/);
    expect(error.exitCode).toBe(2);
  });

  it.each([null, 3, "x", []])("is refused: %j instead of an object", (value) => {
    expect(refusal(value).message).toMatch(/the task is no group of keys/);
  });

  it("is refused without harm however deep it nests", () => {
    const deep: unknown = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
    expect(refusal(task({ name: deep })).code).toBe("task_invalid");
  });

  it("is one JumboError, whatever the value", () => {
    const keys = fc.constantFrom("name", "owner", "input", "payload", "output", "cost", "seed");
    fc.assert(
      fc.property(keys, fc.jsonValue({ maxDepth: 3 }), (key, value) => {
        try {
          validate(task({ [key]: value }));
        } catch (error) {
          expect(error).toBeInstanceOf(JumboError);
          expect((error as JumboError).subject).toContain(key);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("hostile names", () => {
  it("never leave a folder", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 12 }), fc.boolean(), (name, own) => {
        const value = own ? task({ name }) : task({ output: { name } });
        try {
          validate(value);
        } catch (error) {
          expect(error).toBeInstanceOf(JumboError);
          return;
        }
        expect(join("/root", name)).toBe(`/root/${name}`);
        expect(name).not.toMatch(/^\.|\//);
      }),
      { numRuns: 500 },
    );
  });
});
