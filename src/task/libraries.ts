/**
 * YAML and schema libraries, loaded when the first task file is read: 135 files that no pilot's
 * session, no listing and no restart of an engine needs.
 */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export function yaml(): typeof import("yaml") {
  return require("yaml");
}

export function ajv(): typeof import("ajv") {
  return require("ajv");
}
