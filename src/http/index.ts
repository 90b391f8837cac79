export {
  API_PREFIX,
  HTTP_LIMITS,
  type HttpAddress,
  type HttpLimits,
  type HttpOptions,
  type HttpRooms,
  type HttpServer,
  startHttp,
} from "./server.ts";
export {
  authenticate,
  type Caller,
  createToken,
  hasUsableToken,
  listTokens,
  revokeToken,
  SCOPES,
  type Scope,
  type TokenRequest,
  type TokenView,
} from "./tokens.ts";
