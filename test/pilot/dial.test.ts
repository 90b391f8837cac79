/** How the TypeScript pilot opens its connection: keys of allocations, proxies, false engines. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { identityOf, type PilotAddress, pilotKeyOf } from "../../src/base/index.ts";
import { dial } from "../../src/pilot/dial.ts";

const KEY = "11".repeat(32);
const IDENTITY = identityOf({
  allocation: "a",
  queue: "q",
  owner: "ann",
  cores: 1,
  enrolBeforeSeconds: 1,
  notAfterSeconds: 2,
});
const ACCESS = { pilotKey: pilotKeyOf(KEY, IDENTITY) as string, pilotIdentity: IDENTITY };
const PSK_CIPHERS = "TLS_AES_128_GCM_SHA256";

let servers: Server[];
let sockets: Socket[];
beforeEach(() => {
  servers = [];
  sockets = [];
  vi.stubEnv("JUMBO_PROXY", undefined);
});
afterEach(() => {
  vi.unstubAllEnvs();
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on("connection", (socket: Socket) => sockets.push(socket.on("error", () => {})));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return (server.address() as { port: number }).port;
}

const at = (kind: "tcp" | "tls", port: number): PilotAddress => ({ kind, host: "127.0.0.1", port });

const echo = (socket: Socket) => socket.pipe(socket).on("error", () => {});

/** What comes back for a line that is sent. */
async function said(socket: Socket, line: string): Promise<string> {
  sockets.push(socket);
  socket.write(line);
  return await new Promise((resolve) =>
    socket.once("data", (chunk: Buffer) => resolve(String(chunk))),
  );
}

function pskServer(identities: string[]): Server {
  const server = createTlsServer(
    {
      minVersion: "TLSv1.3",
      ciphers: PSK_CIPHERS,
      pskCallback: (_socket, identity) => {
        identities.push(identity);
        return Buffer.from(pilotKeyOf(KEY, identity) ?? "", "hex");
      },
    },
    echo,
  );
  return server.on("tlsClientError", () => {});
}

/** A proxy that opens tunnels, or gives one answer and no tunnel. */
function proxyServer(asked: string[], answer?: string): Server {
  return createServer((socket) => {
    socket.once("data", (request: Buffer) => {
      const line = String(request).split("\r\n", 1)[0] ?? "";
      asked.push(line);
      if (answer !== undefined) {
        socket.end(answer);
        return;
      }
      const [, host, port] = /^CONNECT (\S+):(\d+) HTTP\/1\.1$/.exec(line) ?? [];
      const onward = connect(Number(port), host ?? "", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      });
      onward.on("error", () => socket.destroy());
      sockets.push(onward);
    });
  });
}

describe("a pilot's connection", () => {
  it("names the identity of its key in the TLS handshake", async () => {
    const identities: string[] = [];
    const port = await listen(pskServer(identities));
    expect(await said(await dial(at("tls", port), ACCESS), "hello")).toBe("hello");
    expect(identities).toEqual([IDENTITY]);
  });

  it("is none with a key that does not belong to its identity", async () => {
    const port = await listen(pskServer([]));
    await expect(dial(at("tls", port), { ...ACCESS, pilotKey: KEY })).rejects.toThrow();
  });

  it("goes through the proxy of the access file, or of the environment before it", async () => {
    const asked: string[] = [];
    const port = await listen(pskServer([]));
    const proxy = `127.0.0.1:${await listen(proxyServer(asked))}`;
    expect(await said(await dial(at("tls", port), { ...ACCESS, proxy }), "hello")).toBe("hello");
    vi.stubEnv("JUMBO_PROXY", `http://${proxy}/`);
    const plain = await listen(createServer(echo));
    const nowhere = { ...ACCESS, proxy: "127.0.0.1:1" };
    expect(await said(await dial(at("tcp", plain), nowhere), "hello")).toBe("hello");
    vi.stubEnv("JUMBO_PROXY", "");
    expect(await said(await dial(at("tcp", plain), nowhere), "hello")).toBe("hello");
    expect(asked).toEqual([
      `CONNECT 127.0.0.1:${port} HTTP/1.1`,
      `CONNECT 127.0.0.1:${plain} HTTP/1.1`,
    ]);
  });

  it.each([
    ["that it wants a password", "HTTP/1.1 407 No\r\n\r\n", "it answered HTTP/1.1 407"],
    ["something else than HTTP", "SSH-2.0-nonsense\r\n\r\n", "it answered SSH-2.0"],
    ["more than its answer", "HTTP/1.1 200 OK\r\n\r\nmore", "it said more than its answer"],
    ["too much", "x".repeat(10_000), "it answered xxx"],
    ["too little", "HTTP/1.1 200 OK", "it closed the connection"],
  ])("is none where the proxy says %s", async (_what, answer, text) => {
    const proxy = `127.0.0.1:${await listen(proxyServer([], answer))}`;
    await expect(dial(at("tcp", 1), { ...ACCESS, proxy })).rejects.toThrow(text);
  });

  it("is none to a server that shows a certificate instead of the key", async () => {
    const folder = mkdtempSync(join(tmpdir(), "jumbo-dial-"));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"];
    const subject = ["-subj", "/CN=127.0.0.1", "-keyout", key, "-out", cert];
    try {
      execFileSync("openssl", [...request, ...subject], { stdio: "ignore" });
    } catch {
      console.warn("SKIPPED: a server with a certificate (no openssl) apt-get install openssl");
      return;
    }
    let secured = 0;
    const pair = { key: readFileSync(key), cert: readFileSync(cert) };
    rmSync(folder, { recursive: true });
    const server = createTlsServer({ ...pair, minVersion: "TLSv1.3" }, () => {
      secured++;
    });
    server.on("tlsClientError", () => {});
    const port = await listen(server);
    await expect(dial(at("tls", port), ACCESS)).rejects.toThrow();
    expect(secured).toBe(0);
  });
});
