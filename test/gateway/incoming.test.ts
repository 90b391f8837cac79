import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type Incoming, sharing } from "../../src/gateway/incoming.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** The client's socket and the engine's side of it, read as `sharing` does. */
async function pair(before: (accepted: Socket) => () => void = () => () => {}) {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [accepted] = (await once(server, "connection")) as [Socket];
  const restore = before(accepted);
  const incoming = sharing(accepted);
  restore();
  const seen: Buffer[] = [];
  incoming.take = (bytes, length) => seen.push(Buffer.from(bytes.subarray(0, length)));
  closers.push(() => [client, incoming.socket].map((socket) => socket.destroy()) && server.close());
  return { accepted, client, incoming, server, text: () => Buffer.concat(seen).toString() };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !condition(); i++) await new Promise((go) => setTimeout(go, 2));
  expect(condition()).toBe(true);
}

async function speaks({ client, incoming, text }: Awaited<ReturnType<typeof pair>>) {
  client.write("one,");
  await until(() => text() === "one,");
  incoming.socket.pause();
  client.write("two");
  await new Promise((go) => setTimeout(go, 30));
  expect(text()).toBe("one,");
  incoming.socket.resume();
  await until(() => text() === "one,two");
  incoming.socket.write("answer");
  expect(String((await once(client, "data"))[0])).toBe("answer");
  client.end();
  await once(incoming.socket, "close");
}

describe("sharing", () => {
  it("gives the bytes, waits while it is paused, answers, and ends with the other side", async () => {
    const both = await pair();
    expect(both.incoming.socket).not.toBe(both.accepted);
    await speaks(both);
  });

  it("does the same as a stream where the handle can't be read into a given buffer", async () => {
    const both = await pair((accepted) => {
      let owner: object = (accepted as unknown as { _handle: object })._handle;
      while (!Object.hasOwn(owner, "useUserBuffer")) owner = Object.getPrototypeOf(owner) as object;
      const method = Object.getOwnPropertyDescriptor(owner, "useUserBuffer") as PropertyDescriptor;
      Reflect.deleteProperty(owner, "useUserBuffer");
      return () => Object.defineProperty(owner, "useUserBuffer", method);
    });
    expect(both.incoming.socket).toBe(both.accepted);
    await speaks(both);
  });

  it("keeps what two sockets say apart, and lets their server end", async () => {
    const [a, b] = await Promise.all([pair(), pair()]);
    const say = (each: { client: Socket }, word: string) => each.client.write(word.repeat(40_000));
    say(a, "a");
    say(b, "b");
    await until(() => a.text().length === 40_000 && b.text().length === 40_000);
    expect(new Set(a.text())).toEqual(new Set(["a"]));
    expect(new Set(b.text())).toEqual(new Set(["b"]));
    a.server.close();
    a.client.destroy();
    await once(a.server, "close");
  });

  it("tells of a connection that was reset", async () => {
    const both: { client: Socket; incoming: Incoming } = await pair();
    const errors: unknown[] = [];
    both.incoming.socket.on("error", (error) => errors.push(error));
    const closed = new Promise((resolve) => both.incoming.socket.on("close", resolve));
    both.client.resetAndDestroy();
    await closed;
    expect(errors).toHaveLength(1);
  });
});
