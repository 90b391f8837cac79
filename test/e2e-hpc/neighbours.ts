/**
 * Room for many nodes on one machine: Linux keeps the neighbours of all network namespaces in one
 * table, of 1 024 by default. The N^2 of many nodes don't fit, and a rank that connects ends with "no
 * route to host". Permanent neighbours don't count.
 */
import { execFileSync } from "node:child_process";

const NEIGHBOURS_MAX = 512;

interface Host {
  readonly name: string;
  readonly device: string;
  readonly hardware: string;
  readonly address: string;
}

function ip(cluster: string, host: string, args: readonly string[], input = ""): string {
  const argv = ["-n", `${cluster}-${host}`, ...args];
  return execFileSync("ip", argv, { input, encoding: "utf8" });
}

function look(cluster: string, name: string): Host {
  const device = name === "login" ? "sw" : "eth0";
  const text = ip(cluster, name, ["addr", "show", "dev", device]);
  const hardware = /link\/ether (\S+)/.exec(text)?.[1];
  const address = /inet ([\d.]+)/.exec(text)?.[1];
  if (hardware === undefined || address === undefined) throw new Error(`${name}: ${text}`);
  return { name, device, hardware, address };
}

/** Has all hosts of a cluster of many nodes know each other; does nothing to a small one. */
export function introduceNeighbours(cluster: string, nodes: number): void {
  if (nodes ** 2 <= NEIGHBOURS_MAX) return;
  const names = ["login", ...Array.from({ length: nodes }, (_, k) => `n${k + 1}`)];
  const hosts = names.map((name) => look(cluster, name));
  for (const { name, device } of hosts) {
    const lines = hosts
      .filter((other) => other.name !== name)
      .map(({ address, hardware }) => {
        return `neigh replace ${address} lladdr ${hardware} nud permanent dev ${device}\n`;
      });
    ip(cluster, name, ["-batch", "-"], lines.join(""));
  }
}
