/** A proxy that knows CONNECT only; what it was asked and what passed through it, as text. */
import { connect, createServer, type Server } from "node:net";

export interface TestProxy {
  readonly server: Server;
  /** Its address, `host:port`. */
  readonly place: string;
  /** First lines of requests. */
  readonly asked: string[];
  /** What clients sent onward. */
  readonly seen: Buffer[];
}

/** Any `answer` without 200 ends the connection. */
export async function startProxy(
  answer = "HTTP/1.1 200 Connection established",
): Promise<TestProxy> {
  const asked: string[] = [];
  const seen: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (request: Buffer) => {
      const line = request.toString("latin1").split("\r\n", 1)[0] ?? "";
      asked.push(line);
      const [, host, port] = /^CONNECT (\S+):(\d+) HTTP\/1\.1$/.exec(line) ?? [];
      socket.write(`${answer}\r\nVia: 1.1 test\r\n\r\n`);
      if (!answer.includes(" 200 ")) {
        socket.end();
        return;
      }
      const onward = connect(Number(port), host ?? "");
      onward.on("error", () => socket.destroy());
      socket.on("data", (chunk: Buffer) => seen.push(chunk));
      socket.on("close", () => onward.destroy());
      onward.on("close", () => socket.destroy());
      socket.pipe(onward).pipe(socket);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  return { server, place: `127.0.0.1:${port}`, asked, seen };
}
