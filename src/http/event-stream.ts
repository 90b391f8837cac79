/**
 * Engine events as server-sent events: `event: task | pilot | failstop`, `data:` one JSON document.
 * A client gets only tasks of its owner (an admin's token: all). One that does not read is dropped
 * at a bounded backlog; what it missed it sees in the next view, since views are whole.
 */
import type { ServerResponse } from "node:http";
import { JumboError } from "../base/index.ts";
import type { EngineEvent, TaskView } from "../broker/index.ts";
import { taskDocument } from "./documents.ts";
import type { Call, HttpParts } from "./route.ts";
import type { Caller } from "./tokens.ts";

const CLIENTS_MAX = 256;
const BACKLOG_BYTES_MAX = 1024 * 1024;
/** Keeps proxies from closing a quiet stream, and finds dead clients. */
const COMMENT_INTERVAL_MS = 15_000;

const ENDED: readonly string[] = ["done", "failed", "cancelled"];

let clients = 0;

/** Streams until the client leaves; with `task`, until that task has ended. */
export async function streamEvents(
  parts: HttpParts,
  call: Call,
  task: TaskView | null,
): Promise<undefined> {
  if (clients >= CLIENTS_MAX) {
    throw new JumboError(
      "refused",
      `${clients} clients follow events (no more are taken) ask for the views instead`,
    );
  }
  clients++;
  const { reply, caller } = call;
  reply.hijack();
  const out = reply.raw;
  out.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
  // Before the first view, so that no change falls between the two.
  const stop = parts.client.onEvent((event) => {
    if (!isFor(event, caller, task)) return;
    send(out, event);
    if (task !== null && event.type === "task" && ENDED.includes(event.view.state)) out.end();
  });
  const timer = setInterval(() => write(out, ": still here\n\n"), COMMENT_INTERVAL_MS);
  out.on("close", () => {
    clients--;
    stop();
    clearInterval(timer);
  });
  out.on("error", () => out.destroy());
  if (task === null) write(out, ": following all tasks\n\n");
  else {
    // The reply is ours by now: an engine that stops here ends the stream instead of answering.
    const view = await parts.client.ask("show", { task: task.id }).catch(() => null);
    if (view !== null) send(out, { type: "task", view });
    if (view === null || ENDED.includes(view.state)) out.end();
  }
  return undefined;
}

function isFor(event: EngineEvent, caller: Caller, task: TaskView | null): boolean {
  switch (event.type) {
    case "task":
      if (task !== null) return event.view.id === task.id;
      return caller.scope === "admin" || event.view.owner === caller.owner;
    case "pilot":
      return task === null;
    case "failstop":
      return true;
    default:
      return false;
  }
}

function send(out: ServerResponse, event: EngineEvent): void {
  const { type } = event;
  const data = type === "task" ? taskDocument(event.view) : event;
  write(out, `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
}

function write(out: ServerResponse, text: string): void {
  if (out.writableEnded || out.destroyed) return;
  if (out.writableLength > BACKLOG_BYTES_MAX) out.destroy();
  else out.write(text);
}
