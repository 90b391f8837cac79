import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { GROUPS, program } from "../../src/cli/program.ts";

describe("the program", () => {
  it("finds every command in the group that names it, in the order of the help", async () => {
    for (const { names, load } of GROUPS) {
      const alone = new Command();
      (await load())(alone);
      expect(alone.commands.map((command) => command.name())).toEqual(names);
    }
  });

  it("has one group for a command that it knows, and all for anything else", async () => {
    const all = GROUPS.flatMap(({ names }) => names);
    const names = async (wanted: string | undefined) =>
      (await program(wanted)).commands.map((command) => command.name());
    expect(await names("serve")).toEqual(["run", "serve"]);
    for (const wanted of [undefined, "help", "--help", "srve"]) {
      expect(await names(wanted)).toEqual(all);
    }
  });
});
