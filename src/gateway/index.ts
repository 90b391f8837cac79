export { GatewayCounters } from "./counters.ts";
export { Gateway, type GatewayOptions, type GatewayPort, startGateway } from "./gateway.ts";
export { GATEWAY_LIMITS, type GatewayLimits } from "./limits.ts";
export { clearUnixPath, PSK_CIPHERS, PSK_IDENTITY } from "./listener.ts";
