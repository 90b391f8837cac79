import { describe, expect, it } from "vitest";
import {
  formatBytes,
  formatCount,
  formatSeconds,
  parseDurationSeconds,
  parseSizeBytes,
} from "../../src/base/index.ts";

describe("durations", () => {
  it.each([
    ["90m", 5400],
    ["1h30m", 5400],
    ["01:30:00", 5400],
    ["30:00", 1800],
    ["2-00:00:00", 172_800],
    ["45", 45],
    ["1.5s", 1.5],
    ["250ms", 0.25],
  ])("reads %s as %d seconds", (text, seconds) => {
    expect(parseDurationSeconds(text)).toBeCloseTo(seconds, 9);
  });

  it.each(["", "abc", "1x", "-5", "1h 30q", "1:2:3:4"])("refuses %j", (text) => {
    expect(parseDurationSeconds(text)).toBeNull();
  });

  it("prints what people read", () => {
    expect(formatSeconds(0.012)).toBe("12 ms");
    expect(formatSeconds(5.25)).toBe("5.3 s");
    expect(formatSeconds(5400)).toBe("1h 30m");
    expect(formatSeconds(125)).toBe("2m 5s");
  });
});

describe("sizes", () => {
  it.each([
    ["4GiB", 4 * 1024 ** 3],
    ["500MB", 500e6],
    ["1024", 1024],
    ["1.5 KiB", 1536],
  ])("reads %s as %d bytes", (text, bytes) => {
    expect(parseSizeBytes(text)).toBe(bytes);
  });

  it.each(["", "GiB", "4 XB", "-1"])("refuses %j", (text) => {
    expect(parseSizeBytes(text)).toBeNull();
  });

  it("prints sizes and counts", () => {
    expect(formatBytes(512)).toBe("512 B");
    expect(formatBytes(1536)).toBe("1.5 KiB");
    expect(formatCount(12_345_678)).toBe("12 345 678");
  });
});
