import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fillPlaceholders, placeholdersOf } from "../../src/task/index.ts";

describe("placeholders", () => {
  it("fill whole arguments or parts of one", () => {
    const values = { file: "/a b/c", skip: "7" };
    expect(fillPlaceholders("{file}", values)).toBe("/a b/c");
    expect(fillPlaceholders("--in={file}:{skip}", values)).toBe("--in=/a b/c:7");
  });

  it("are lower-case words in one pair of braces; two pairs escape", () => {
    expect(placeholdersOf("{a}{{b}}{C}{d1}{ e }{}{{{f}}}")).toEqual(["a"]);
    expect(fillPlaceholders("{{skip}} {print $1} {{{skip}}}", { skip: "7" })).toBe(
      "{skip} {print $1} {{skip}}",
    );
  });

  it("put values in byte for byte, also those that look like placeholders", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        return fillPlaceholders("<{file}>", { file: value }) === `<${value}>`;
      }),
    );
    expect(fillPlaceholders("{file}", { file: "{skip} $& {{x}}" })).toBe("{skip} $& {{x}}");
  });

  it("leave every text without them as it is", () => {
    const plain = fc.string().filter((text) => !/\{[a-z]+\}/.test(text));
    fc.assert(fc.property(plain, (text) => fillPlaceholders(text, {}) === text));
  });
});
