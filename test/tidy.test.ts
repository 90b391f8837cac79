/**
 * The structure of the house, checked: which room may import which, where each library is at home,
 * how long a file and a line may be, that a folder is entered through its index only, and that the
 * pure rooms stay pure. A new room or library is added here first.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** Rooms by rank: a room imports rooms of lower rank only, never one of its own rank. */
const RANKS: readonly (readonly string[])[] = [
  ["base"],
  ["wire", "ledger", "shape", "formats", "bundle", "task"],
  ["store"],
  ["broker"],
  ["scan", "merge", "gateway"],
  ["fleet"],
  ["http", "pilot"],
  ["cli", "web"],
];
/** A pilot runs where nothing else of the engine is: it needs these only. */
const PILOT_MAY_IMPORT = new Set(["base", "wire", "bundle", "pilot"]);

const LIBRARY_HOMES: Readonly<Record<string, readonly string[]>> = {
  msgpackr: ["wire"],
  lmdb: ["store"],
  jsroot: ["formats"],
  hyparquet: ["formats"],
  "hyparquet-writer": ["formats"],
  "hyparquet-compressors": ["formats"],
  "apache-arrow": ["formats"],
  yaml: ["task"],
  ajv: ["task"],
  piscina: ["broker", "scan", "merge"],
  fastify: ["http"],
  commander: ["cli"],
  "node:worker_threads": ["broker", "scan", "merge"],
  "node:net": ["gateway", "pilot", "http"],
  "node:tls": ["gateway", "pilot"],
  "node:child_process": ["fleet", "pilot", "merge", "cli"],
};
const PURE_ROOMS = new Set(["ledger", "shape"]);
const FILE_LINES_MAX = 600;
const LINE_COLUMNS_MAX = 100;

interface SourceFile {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function filesBelow(folder: string, endings: readonly string[]): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })) {
    const path = relative(ROOT, join(entry.parentPath, entry.name));
    if (/(^|\/)(node_modules|build|dist)\//.test(path)) continue;
    if (entry.isFile() && endings.some((ending) => path.endsWith(ending))) found.push(path);
  }
  return found.sort();
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s(?:[^"';]*?\sfrom\s)?"([^"]+)"|import\(\s*"([^"]+)"\s*\)/g;

const sources: SourceFile[] = filesBelow("src", [".ts", ".mjs"]).map((path) => {
  const text = readFileSync(join(ROOT, path), "utf8");
  const imports = [...text.matchAll(IMPORT)].map((match) => (match[1] ?? match[2]) as string);
  return { path, room: path.split("/")[1] as string, text, imports };
});

const rankOf = (room: string) => RANKS.findIndex((rooms) => rooms.includes(room));

function roomImports(file: SourceFile): { room: string; target: string }[] {
  return file.imports
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => {
      const target = relative(ROOT, resolve(ROOT, dirname(file.path), specifier));
      return { room: target.split("/")[1] as string, target };
    });
}

describe("the structure of src", () => {
  it("knows every room", () => {
    const unknown = sources.filter((file) => rankOf(file.room) < 0).map((file) => file.path);
    expect(unknown).toEqual([]);
  });

  it("imports in one direction only", () => {
    const wrong: string[] = [];
    for (const file of sources) {
      for (const { room, target } of roomImports(file)) {
        if (room === file.room) continue;
        if (rankOf(room) >= rankOf(file.room)) wrong.push(`${file.path} -> ${target}`);
        if (file.room === "pilot" && !PILOT_MAY_IMPORT.has(room)) {
          wrong.push(`${file.path} -> ${target} (pilots bring base, wire and bundle only)`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("enters a room through its index", () => {
    const wrong: string[] = [];
    for (const file of sources) {
      for (const { room, target } of roomImports(file)) {
        if (room !== file.room && target !== `src/${room}/index.ts`) {
          wrong.push(`${file.path} -> ${target}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it("keeps each library at home", () => {
    const wrong: string[] = [];
    for (const file of sources) {
      for (const specifier of file.imports) {
        if (specifier.startsWith(".")) continue;
        const name = specifier.startsWith("node:")
          ? specifier
          : specifier
              .split("/")
              .slice(0, specifier.startsWith("@") ? 2 : 1)
              .join("/");
        const homes = LIBRARY_HOMES[name];
        if (homes && !homes.includes(file.room)) wrong.push(`${file.path} imports ${specifier}`);
        if (!homes && !name.startsWith("node:"))
          wrong.push(`${file.path} imports ${specifier} (it has no home)`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("keeps the pure rooms pure", () => {
    const wrong: string[] = [];
    for (const file of sources) {
      if (!PURE_ROOMS.has(file.room)) continue;
      if (file.imports.some((specifier) => specifier.startsWith("node:")))
        wrong.push(`${file.path}: node:`);
      const code = file.text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "");
      const impure =
        /\b(Date\.now|performance\.now|Math\.random|setTimeout|setInterval|async |await |Promise\b)/.exec(
          code,
        );
      if (impure) wrong.push(`${file.path}: ${impure[1]}`);
    }
    expect(wrong).toEqual([]);
  });
});

describe("the size of things", () => {
  const endings = [".ts", ".mjs", ".cpp", ".hpp", ".c", ".h"];
  const all = ["src", "test", "bench", "examples", "native"].flatMap((folder) =>
    filesBelow(folder, endings),
  );

  it(`has no file over ${FILE_LINES_MAX} lines`, () => {
    const long = all.filter((path) => {
      return readFileSync(join(ROOT, path), "utf8").split("\n").length > FILE_LINES_MAX + 1;
    });
    expect(long).toEqual([]);
  });

  it(`has no line of code over ${LINE_COLUMNS_MAX} columns, but for literal text`, () => {
    const long: string[] = [];
    for (const file of sources) {
      file.text.split("\n").forEach((line, index) => {
        // A message or pattern is not cut into pieces for the sake of a margin: it must be findable.
        if (line.length > LINE_COLUMNS_MAX && !/["'`/]/.test(line))
          long.push(`${file.path}:${index + 1}`);
      });
    }
    expect(long).toEqual([]);
  });

  it("opens every file of more than 60 lines with what it is for", () => {
    const bare = sources.filter((file) => {
      const lines = file.text.split("\n");
      return lines.length > 60 && !/^(#![^\n]*\n)?(\/\/[^\n]*\n)*\/\*\*/.test(file.text);
    });
    expect(bare.map((file) => file.path)).toEqual([]);
  });
});

describe("what must not be in the tree", () => {
  it("has no leftovers that hide missing parts", () => {
    const marks = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);
    const left = sources.filter((file) => marks.test(file.text)).map((file) => file.path);
    expect(left).toEqual([]);
  });

  it("uses only syntax that type stripping can run", () => {
    const wrong = sources
      .filter((file) => /\n\s*(export )?(const )?(enum|namespace) \w/.test(file.text))
      .map((file) => file.path);
    expect(wrong).toEqual([]);
  });
});
