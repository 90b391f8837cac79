/** What a gateway grants its peers; every queue and every wait of it ends at one of these. */
import { HELLO_TIMEOUT_MS, OUTBOX_BYTES_MAX, SESSIONS_MAX } from "../base/index.ts";

export interface GatewayLimits {
  /** Connections at once, over all listeners. */
  readonly sessionsMax: number;
  /** Time from the connect to a whole first frame, TLS handshake included. */
  readonly helloTimeoutMs: number;
  /** Time from the first byte of a frame to its last. */
  readonly frameTimeoutMs: number;
  /** Bytes that may wait for one peer; from half of it on, the peer is not read any more. */
  readonly outboxBytesMax: number;
  /** Time in which a peer must take something of what waits for it. */
  readonly outboxTimeoutMs: number;
  /** Time a closed connection has to take its last frames. */
  readonly lingerMs: number;
  /** Bytes that the core may have before it until nobody is read any more. */
  readonly backlogBytesMax: number;
}

export const GATEWAY_LIMITS: GatewayLimits = {
  sessionsMax: SESSIONS_MAX,
  helloTimeoutMs: HELLO_TIMEOUT_MS,
  frameTimeoutMs: 30_000,
  outboxBytesMax: OUTBOX_BYTES_MAX,
  outboxTimeoutMs: 30_000,
  lingerMs: 2_000,
  backlogBytesMax: 64 * 1024 * 1024,
};
