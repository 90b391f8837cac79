import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { JumboError } from "../../src/base/index.ts";
import {
  checkAgainstScan,
  contentHash,
  loadTaskFile,
  type TaskFile,
  type TaskSpec,
} from "../../src/task/index.ts";

const dir = mkdtempSync(join(tmpdir(), "jumbo-load-"));
afterAll(() => rmSync(dir, { recursive: true }));

const YAML = `
name: dimuon   # a comment
input: {files: [in.csv]}
payload:
  command: [node, "{taskdir}/a.ts", "{file}", "{skip}", "{count}", "{output}"]
output: {name: dimuon.jsonl}
`;

writeFileSync(join(dir, "in.csv"), "h\n1\n");

function load(text: string | Buffer, name = "task.yaml"): TaskSpec {
  const path = join(dir, name);
  writeFileSync(path, text);
  return loadTaskFile(path, { results: "out", owner: "ann" });
}

function refusal(text: string | Buffer): string {
  try {
    load(text);
  } catch (error) {
    expect(error).toBeInstanceOf(JumboError);
    expect((error as JumboError).exitCode).toBe(2);
    return (error as JumboError).message;
  }
  throw new Error("accepted");
}

describe("loadTaskFile", () => {
  it("reads YAML, with paths relative to the file and results made absolute", () => {
    const spec = load(YAML);
    expect(spec.taskDir).toBe(dir);
    expect(spec.input.files).toEqual([join(dir, "in.csv")]);
    expect(spec.output.results).toBe(join(process.cwd(), "out"));
    expect(spec.owner).toBe("ann");
  });

  it("reads the same task from JSON", () => {
    const json = JSON.stringify(
      {
        name: "dimuon",
        input: { files: ["in.csv"] },
        payload: {
          command: ["node", "{taskdir}/a.ts", "{file}", "{skip}", "{count}", "{output}"],
        },
        output: { name: "dimuon.jsonl" },
      },
      null,
      "\t",
    );
    expect(load(json, "task.json")).toEqual(load(YAML));
  });

  it.each<[string, string | Buffer, RegExp]>([
    [
      "a duplicate key",
      `${YAML}name: other\n`,
      /task\.yaml: line 7, column 1: a key is written twice/,
    ],
    ["a duplicate key in JSON", `{"name": "a", "name": "b"}`, /written twice/],
    ["broken YAML", "name: [a", /line 1, column \d+: this is no YAML or JSON/],
    ["two documents", `${YAML}---\n${YAML}`, /one task/],
    ["a tag", "name: !!js/function 'x'", /tag is not understood/],
    ["no UTF-8", Buffer.from([0x6e, 0xff]), /no UTF-8/],
    ["nothing", "", /the task is no group of keys/],
    ["a merge key", `<<: {seed: 1}\n${YAML}`, /"<<" is unknown/],
    ["NaN", `${YAML}seed: .nan\n`, /"seed" is NaN/],
    ["a number beyond 2^53", `${YAML}seed: 9007199254740993\n`, /"seed" is 9007199254740992/],
    ["a quoted number", `${YAML}seed: "5"\n`, /"seed" is the text "5".*without quotes/],
    ["an unquoted argument", YAML.replace('"{count}"', "5"), /command\[4\]" is 5.*quotes/],
    ["a key without value", `${YAML}owner:\n`, /"owner" is null/],
    ["a missing input", YAML.replace("in.csv", "gone.csv"), /task\.yaml: .*gone\.csv is missing/],
  ])("refuses %s and names the file", (_, text, message) => {
    expect(refusal(text)).toMatch(message);
  });

  it("bounds what aliases can grow to", () => {
    const levels = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 9; i++) {
      const last = String.fromCharCode(96 + i);
      const next = String.fromCharCode(97 + i);
      levels.push(`${next}: &${next} [${Array(9).fill(`*${last}`).join(", ")}]`);
    }
    expect(refusal(levels.join("\n"))).toMatch(/alias/i);
  });

  it("ends on hostile nesting with an error", () => {
    expect(refusal("[".repeat(20_000))).toMatch(/nests too deep|no YAML or JSON/);
  });

  it("refuses a file above the limit before reading it, a directory, and nothing", () => {
    const big = join(dir, "big.yaml");
    writeFileSync(big, "");
    truncateSync(big, 17 * 1024 * 1024);
    const options = { results: dir };
    expect(() => loadTaskFile(big, options)).toThrow(/big\.yaml: has 17825792 bytes \(at most/);
    expect(() => loadTaskFile(dir, options)).toThrow(/is a directory/);
    expect(() => loadTaskFile(join(dir, "gone.yaml"), options)).toThrow(
      /gone\.yaml: can't be read/,
    );
  });
});

function file(change: Partial<TaskFile> = {}): TaskFile {
  return {
    source: "/in.csv",
    path: "/in.csv",
    format: "csv",
    variant: "",
    tree: "",
    events: 10,
    sizeBytes: 40,
    mtimeMs: 1,
    sha256: "ab",
    indexPath: "/x.idx",
    header: [],
    footer: [],
    clusters: [],
    notes: [],
    ...change,
  };
}

describe("checkAgainstScan", () => {
  const spec = load(YAML.replace('"{skip}"', '"{slice}"'));

  it("gives the file table", () => {
    const table = checkAgainstScan(spec, [file(), file({ events: 0, indexPath: "" })]);
    expect(table).toMatchObject({ ranges: 10, files: 2 });
  });

  it.each<[string, TaskFile[], RegExp]>([
    ["no events", [file({ events: 0 })], /"input" has no events/],
    [
      "bytes of a ROOT file",
      [file(), file({ source: "/z.root", format: "root", indexPath: "" })],
      /"payload.command\[3\]" has \{slice\} \(\/z.root is of format root.*\) use \{file\}/,
    ],
    ["2^32 events in a file", [file({ events: 2 ** 32 })], /has 4294967296 events/],
  ])("refuses %s", (_, files, message) => {
    expect(() => checkAgainstScan(spec, files)).toThrow(message);
  });

  it("refuses a task that would be cut into more than a million files", () => {
    const cut = load(
      YAML.replace("name: dimuon.jsonl", "name: o, eventsPerFile: 1")
        .replace("files: [in.csv]", "count: 2000000")
        .replace(/command: .*/, 'command: [":null"]'),
    );
    const count = [file({ source: "", events: 2_000_000, indexPath: "" })];
    expect(() => checkAgainstScan(cut, count)).toThrow(/"output.eventsPerFile" is 1/);
  });
});

describe("contentHash", () => {
  const spec = load(YAML);
  const hash = contentHash(spec, [file()]);

  it("does not depend on owner, results folder, or traces of the scan", () => {
    const moved = { ...spec, owner: "bob", output: { ...spec.output, results: "/elsewhere" } };
    expect(contentHash(moved, [file()])).toBe(hash);
    expect(contentHash(spec, [file({ mtimeMs: 9, indexPath: "/y", path: "/copy" })])).toBe(hash);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it("does not depend on the order of keys", () => {
    const turned = Object.fromEntries(Object.entries(spec).reverse()) as unknown as TaskSpec;
    expect(contentHash(turned, [file()])).toBe(hash);
  });

  it.each<[string, string]>([
    ["spec", contentHash({ ...spec, seed: 1 }, [file()])],
    ["a file's bytes", contentHash(spec, [file({ sha256: "cd" })])],
    ["a file's name", contentHash(spec, [file({ source: "/other.csv" })])],
    ["number of files", contentHash(spec, [file(), file()])],
    ["command", contentHash({ ...spec, payload: { ...spec.payload, command: ["x"] } }, [file()])],
  ])("changes with %s", (_, other) => {
    expect(other).not.toBe(hash);
  });
});

describe("docs/reference/task-file.md", () => {
  it("names every key and every default of the schema", async () => {
    const { TASK_SCHEMA } = await import("../../src/task/index.ts");
    const page = readFileSync(
      new URL("../../docs/reference/task-file.md", import.meta.url),
      "utf8",
    );
    const rows: string[] = [];
    for (const [name, schema] of Object.entries(TASK_SCHEMA.properties ?? {})) {
      const inner = Object.entries(schema.properties ?? {}).map(
        ([key, child]) => [`${name}.${key}`, child.default] as const,
      );
      const keys = inner.length > 0 ? inner : [[name, schema.default] as const];
      for (const [key, initial] of keys) {
        const cell = initial === undefined ? "" : `\`${JSON.stringify(initial)}\``;
        rows.push(`| \`${key}\` | ${cell}`);
      }
    }
    for (const row of rows) expect(page).toContain(row);
  });
});
