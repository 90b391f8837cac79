/** What a gateway has seen, for the metrics page. All but `connections` only rise. */
export class GatewayCounters {
  connections = 0;
  opened = 0;
  closed = 0;
  framesIn = 0;
  framesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  batchesIn = 0;
  /** Connections turned away since there were too many. */
  refusedFull = 0;
  /** Connections ended for frames of a wrong length. */
  malformed = 0;
  /** Connections ended for no first frame in time, or a frame that did not come to its end. */
  tooSlowIn = 0;
  /** Connections dropped since they did not take what was written to them. */
  tooSlowOut = 0;
  /** TLS handshakes that failed: wrong key, no TLS. */
  handshakesFailed = 0;

  /** As `jumbo_gateway_..._total` and gauges. */
  metrics(): Record<string, number> {
    return {
      jumbo_gateway_connections: this.connections,
      jumbo_gateway_opened_total: this.opened,
      jumbo_gateway_closed_total: this.closed,
      jumbo_gateway_frames_in_total: this.framesIn,
      jumbo_gateway_frames_out_total: this.framesOut,
      jumbo_gateway_bytes_in_total: this.bytesIn,
      jumbo_gateway_bytes_out_total: this.bytesOut,
      jumbo_gateway_batches_in_total: this.batchesIn,
      jumbo_gateway_refused_full_total: this.refusedFull,
      jumbo_gateway_malformed_total: this.malformed,
      jumbo_gateway_too_slow_in_total: this.tooSlowIn,
      jumbo_gateway_too_slow_out_total: this.tooSlowOut,
      jumbo_gateway_handshakes_failed_total: this.handshakesFailed,
    };
  }
}
