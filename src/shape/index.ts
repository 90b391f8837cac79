export * from "./cost-model.ts";
export * from "./drain.ts";
export * from "./grant.ts";
export * from "./hints.ts";
export * from "./laws.ts";
export * from "./order.ts";
export * from "./quarantine.ts";
export * from "./shares.ts";
