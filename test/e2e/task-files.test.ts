/** Every kind of mistake in a task file: exit 2, one clear error, and no store made or changed. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Finished, useBench } from "./support/bench.ts";
import { documentOf } from "./support/documents.ts";
import { Serving } from "./support/serving.ts";

const bench = useBench();
const TIMEOUT_MS = 60_000;
const RIGHT = `name: right
input: {count: 4}
payload: {command: [":null"]}
output: {name: right.jsonl, allowEmpty: true}
`;

/** A change of the right file, and what the error must say. */
const MISTAKES: readonly [what: string, from: string, to: string, error: RegExp][] = [
  ["unknown key", "name: right", "name: right\nevents: 3", /"events" is unknown/],
  ["misspelt key", "{count: 4}", "{cuont: 4}", /"input\.cuont" is unknown .* did you mean "count"/],
  [
    "key in the wrong place",
    "name: right",
    "name: right\ntimeoutSeconds: 3",
    /belongs below "payload"/,
  ],
  ["missing key", "name: right\n", "", /"name" is missing/],
  ["wrong type", "{count: 4}", "{count: many}", /"input\.count" is the text "many"/],
  ["quoted number", "{count: 4}", '{count: "4"}', /without quotes/],
  ["a shell line as command", '[":null"]', '"analyse -n 3"', /"payload\.command".*not one text/],
  ["missing file", "{count: 4}", "{files: [absent.jsonl]}", /absent\.jsonl is missing/],
  ["glob without a match", "{count: 4}", '{files: ["*.absent"]}', /matches no file/],
  ["a directory as input", "{count: 4}", "{files: [sub]}", /sub is a directory/],
  ["both files and count", "{count: 4}", "{count: 4, files: [a]}", /both files and count/],
  [
    "output outside its folder",
    "name: right.jsonl",
    "name: ../right.jsonl",
    /"output\.name" .*no slash/,
  ],
  [
    "a task's name with ../",
    "name: right\n",
    "name: ../right\n",
    /"name" is the text "\.\.\/right"/,
  ],
  ["0 events per range", "name: right", "name: right\neventsPerRange: 0", /"eventsPerRange" is 0/],
  ["2^53 events", "{count: 4}", "{count: 9007199254740992}", /"input\.count" is 9007199254740992/],
  ["half an event", "{count: 4}", "{count: 1.5}", /"input\.count" is 1\.5/],
  ["no events", "{count: 4}", "{count: 0}", /"input\.count" is 0/],
  ["unknown placeholder", '[":null"]', '["run", "{outptu}"]', /\{outptu\}/],
  [
    "a stream with a range's placeholder",
    '[":null"]',
    '["run", "{output}"], mode: stream',
    /\{output\}/,
  ],
  [
    "unknown merge kind",
    "allowEmpty: true",
    "merge: jsnol",
    /"output\.merge" .*did you mean jsonl/,
  ],
  ["a file without events", "{count: 4}", "{files: [none.jsonl]}", /has no events/],
  [
    "an input of no known format",
    "{count: 4}",
    "{files: [noise.dat]}",
    /noise\.dat is of no known format/,
  ],
  ["a broken input", "{count: 4}", "{files: [cut.lhe]}", /cut\.lhe/],
  ["a key twice", "name: right", "name: right\nname: left", /a key is written twice/],
  ["no YAML", "name: right", "name: [right", /no YAML or JSON/],
];

function writeInputs(folder: string): void {
  mkdirSync(join(folder, "sub"));
  writeFileSync(join(folder, "none.jsonl"), "");
  writeFileSync(join(folder, "noise.dat"), Buffer.from([0, 1, 2, 3, 255, 254, 17]));
  const cut = '<LesHouchesEvents version="1.0">\n<init>\n1 2\n</init>\n<event>\n1 1 1. 1. 1. 1.\n';
  writeFileSync(join(folder, "cut.lhe"), cut);
}

/** One line on standard error, in the grammar of all errors; nothing on standard output. */
function expectOneError(finished: Finished, error: RegExp): void {
  expect(finished.code, finished.stderr).toBe(2);
  const lines = finished.stderr.trimEnd().split("\n");
  expect(lines, finished.stderr).toHaveLength(1);
  expect(lines[0]).toMatch(/^jumbo: error: /);
  expect(lines[0]).toMatch(error);
  expect(finished.stdout).toBe("");
}

test.concurrent.each(MISTAKES)("%s", { timeout: TIMEOUT_MS }, async (_what, from, to, error) => {
  const folder = bench.place();
  writeInputs(folder);
  expect(RIGHT).toContain(from);
  writeFileSync(join(folder, "task.yaml"), RIGHT.replace(from, to));
  const before = readdirSync(folder);
  const args = ["run", "task.yaml", "--store", "store"];
  expectOneError(await bench.jumbo(args, { cwd: folder }), error);
  expect(readdirSync(folder)).toEqual(before);
});

test.concurrent("a task file that is not there", { timeout: TIMEOUT_MS }, async () => {
  const folder = bench.place();
  expectOneError(await bench.jumbo(["run", "no.yaml"], { cwd: folder }), /no\.yaml: can't be read/);
  expect(readdirSync(folder)).toEqual([]);
});

function digestsOf(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => name.startsWith("store"));
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash("sha256")
        .update(readFileSync(join(folder, name)))
        .digest("hex"),
    ]),
  );
}

test.concurrent("a store that is there stays as it was", { timeout: TIMEOUT_MS }, async () => {
  const folder = bench.place();
  writeInputs(folder);
  const taskFile = join(folder, "task.yaml");
  const args = ["run", taskFile, "--inline", "--store", "store", "--output", "json"];
  writeFileSync(taskFile, RIGHT);
  documentOf(await bench.jumbo(args, { cwd: folder }));
  const before = digestsOf(join(folder, "store"));
  expect(Object.keys(before)).toContain("store.mdb");
  for (const to of ["{count: many}", "{files: [cut.lhe]}"]) {
    writeFileSync(taskFile, RIGHT.replace("{count: 4}", to).replace("name: right\n", "name: r2\n"));
    expect((await bench.jumbo(args, { cwd: folder })).code).toBe(2);
    expect(digestsOf(join(folder, "store"))).toEqual(before);
  }
});

test.concurrent("a service stores nothing of what it refuses", {
  timeout: TIMEOUT_MS,
}, async () => {
  const serving = new Serving(bench);
  await serving.start();
  writeInputs(serving.folder);
  const taskFile = join(serving.folder, "task.yaml");
  for (const to of ["{count: many}", "{files: [absent.jsonl]}", "{files: [cut.lhe]}"]) {
    writeFileSync(taskFile, RIGHT.replace("{count: 4}", to));
    const finished = await serving.ask(["submit", taskFile, "--output", "json"]);
    expect(finished.code, finished.stderr).toBe(2);
    expect(JSON.parse(finished.stdout)).toMatchObject({ schema: "error/1" });
  }
  const listed = await serving.ask(["list", "--output", "json"]);
  expect(documentOf<{ tasks: unknown[] }>(listed).tasks).toEqual([]);
  await serving.stop();
  expect(existsSync(join(serving.folder, "right.jsonl"))).toBe(false);
});
