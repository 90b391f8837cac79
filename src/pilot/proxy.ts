/** HTTP CONNECT (RFC 9110, 9.3.6): a tunnel through a proxy, for sites that let nothing else out. */
import type { Socket } from "node:net";
import { JumboError } from "../base/index.ts";

const ANSWER_BYTES_MAX = 8 * 1024;

/** Asks a connected proxy for a tunnel; afterwards the socket is one to `target`. */
export function throughProxy(
  socket: Socket,
  target: { readonly host: string; readonly port: number },
  timeoutMs: number,
): Promise<void> {
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  const place = `${host}:${target.port}`;
  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0);
    const finish = (problem: string) => {
      clearTimeout(timer);
      socket.off("data", onData).off("error", onError).off("close", onClose);
      // Not paused: who listens next must find it flowing, and until then nothing comes.
      if (problem === "") {
        resolve();
        return;
      }
      socket.on("error", () => {});
      socket.destroy();
      reject(new JumboError("unreachable", `the proxy gives no tunnel to ${place} (${problem})`));
    };
    const onError = (error: Error) => finish(error.message);
    const onClose = () => finish("it closed the connection");
    const onData = (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf("\r\n\r\n");
      if (end < 0 && answer.length <= ANSWER_BYTES_MAX) return;
      const status = answer.subarray(0, 100).toString("latin1").split("\r\n", 1)[0] ?? "";
      if (!/^HTTP\/1\.[01] 2\d\d( |$)/.test(status)) finish(`it answered ${status}`);
      // Pilots speak first: nothing of the engine can be behind the proxy's answer.
      else if (end + 4 !== answer.length) finish("it said more than its answer");
      else finish("");
    };
    const timer = setTimeout(() => finish("it did not answer in time"), timeoutMs);
    socket.on("data", onData).once("error", onError).once("close", onClose);
    socket.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
  });
}
