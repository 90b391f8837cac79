/**
 * A pilot's socket, and how its bytes come. As a stream each read takes a buffer of 64 KiB, an object
 * and a trip through a queue: for frames of a hundred bytes that costs more than the read itself.
 * Plain sockets are therefore read into ONE buffer that all of them share (`onread` of net.Socket);
 * what came is looked at before the next read, and whoever wants to keep it copies it.
 *
 *   accepted, paused --its handle--> Socket { onread } --bytes, for the moment--> take
 *
 * A server makes its sockets itself, without `onread`. So the accepted one gives its handle away, as
 * it does when a connection is passed to another process (`pauseOnConnect` is made for that). TLS,
 * and a Node that does it otherwise, stay with the stream.
 */
import { Socket } from "node:net";

/** The bytes [0, length) of `bytes`; they are another's once the call has returned. */
export type TakeBytes = (bytes: Uint8Array, length: number) => void;

export interface Incoming {
  readonly socket: Socket;
  /** Set once, before the next turn of the event loop. */
  take: TakeBytes;
}

const READ_BYTES = 64 * 1024;
const shared = new Uint8Array(READ_BYTES);

/** Reads a socket as the stream that it is. */
export function streamed(socket: Socket): Incoming {
  const incoming: Incoming = { socket, take: () => {} };
  socket.on("data", (chunk: Buffer) => incoming.take(chunk, chunk.length));
  return incoming;
}

/** Reads a socket, accepted under `pauseOnConnect`, into the buffer that all share. */
export function sharing(accepted: Socket): Incoming {
  const handle = handleOf(accepted);
  if (handle === null) {
    const incoming = streamed(accepted);
    accepted.resume();
    return incoming;
  }
  const callback = (length: number, bytes: Uint8Array): boolean => {
    incoming.take(bytes, length);
    return true;
  };
  const options = { handle, onread: { buffer: shared, callback } };
  const incoming: Incoming = { socket: new Socket(options as never), take: () => {} };
  Object.assign(accepted, { _handle: null });
  accepted.destroy();
  return incoming;
}

/** The system's side of a socket; null if it can't be had, or not be read into a given buffer. */
function handleOf(socket: Socket): object | null {
  const { _handle: handle } = socket as unknown as { _handle?: object | null };
  return handle && "useUserBuffer" in handle ? handle : null;
}
