/**
 * A task object against the schema: the first thing wrong becomes ONE error in plain words, with
 * unknown keys before everything else, since a misspelt key explains a missing one.
 *
 * The schema library finds what is wrong; which schema node it is about tells us why and what
 * would be right (`x-why`, `x-right` of schema.ts). Defaults are filled in by the same pass.
 */
import type { ErrorObject, ValidateFunction } from "ajv";
import type { JumboError } from "../base/index.ts";
import * as libraries from "./libraries.ts";
import { nearest, show, taskInvalid } from "./messages.ts";
import { type JsonSchema, TASK_SCHEMA } from "./schema.ts";

let compiled: ValidateFunction | null = null;

/** Compiled for the first task: most processes that load this room never see one. */
function matcher(): ValidateFunction {
  if (compiled) return compiled;
  const ajv = new (libraries.ajv().Ajv)({
    allErrors: false,
    verbose: true,
    useDefaults: true,
    strict: true,
    allowUnionTypes: true,
  });
  ajv.addVocabulary(["x-why", "x-right"]);
  compiled = ajv.compile(TASK_SCHEMA);
  return compiled;
}

/** Fills defaults into `value` in place. Throws JumboError("task_invalid") on the first mistake. */
export function checkShape(value: unknown): void {
  refuseUnknownKeys(value, TASK_SCHEMA, "");
  // Behind the schema, since only then is the nesting bounded.
  const matches = matcher();
  if (matches(value)) {
    refuseStrangeTexts(value, "");
    return;
  }
  const error = matches.errors?.[0] as ErrorObject;
  throw explain(error, keyOf(error.instancePath, value));
}

function explain(error: ErrorObject, key: string): JumboError {
  const schema = error.parentSchema as JsonSchema;
  const why = schema["x-why"] as string | undefined;
  const right = (schema["x-right"] as string | undefined) ?? "see docs/reference/task-file.md";
  if (error.propertyName !== undefined) {
    return taskInvalid(`${key}.${error.propertyName}`, "is no good name", why ?? "", right);
  }
  const is = `is ${show(error.data)}`;
  switch (error.keyword) {
    case "required": {
      const name = error.params["missingProperty"] as string;
      const missing = schema.properties?.[name] ?? {};
      const path = key === "" ? name : `${key}.${name}`;
      const order = String(missing["x-right"] ?? right);
      return taskInvalid(path, "is missing", "it has no default", order);
    }
    case "type":
      return taskInvalid(key, is, `it must be ${typeName(schema.type)}`, typeHint(error, right));
    case "enum": {
      const meant = nearest(String(error.data), (schema.enum ?? []).map(String));
      const guess = meant === null ? "" : `; did you mean ${meant}?`;
      return taskInvalid(key, is, "no such value is known", right + guess);
    }
    default:
      return taskInvalid(key, is, why ?? limitName(error), right);
  }
}

function limitName(error: ErrorObject): string {
  const limit = String(error.params["limit"] ?? "");
  if (error.keyword === "maxItems" || error.keyword === "maxProperties") {
    return `at most ${limit} entries are taken`;
  }
  if (error.keyword === "minLength") return "an empty text means nothing here";
  if (error.keyword === "maxLength") return `at most ${limit} characters are taken`;
  return `it must be ${String(error.params["comparison"] ?? "")} ${limit}`;
}

function typeName(type: JsonSchema["type"]): string {
  const names: Record<string, string> = {
    integer: "a whole number",
    number: "a number",
    string: "a text",
    boolean: "true or false",
    array: "a list",
    object: "a group of keys",
    null: "null",
  };
  return [type]
    .flat()
    .map((name) => names[String(name)])
    .join(" or ");
}

/** People quote numbers and forget to quote texts; say so instead of naming types. */
function typeHint(error: ErrorObject, right: string): string {
  const types = [error.schema].flat() as string[];
  const data: unknown = error.data;
  const numeric = types.includes("integer") || types.includes("number");
  if (numeric && typeof data === "string" && data.trim() !== "" && Number.isFinite(Number(data))) {
    return `${right}, without quotes`;
  }
  if (types.includes("array") && typeof data === "string") return `${right}, not one text`;
  if (types.includes("boolean") && typeof data === "string") return `${right}, without quotes`;
  return right;
}

/** `/input/files/0` -> `input.files[0]`. */
function keyOf(pointer: string, root: unknown): string {
  let key = "";
  let node: unknown = root;
  for (const escaped of pointer.split("/").slice(1)) {
    const name = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(node)) key += `[${name}]`;
    else key += key === "" ? name : `.${name}`;
    node = (node as Record<string, unknown>)[name];
  }
  return key;
}

function refuseUnknownKeys(value: unknown, schema: JsonSchema, key: string): void {
  if (schema.properties === undefined || schema.additionalProperties !== false) return;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  const known = schema.properties;
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(known, name)) continue;
    const path = key === "" ? name : `${key}.${name}`;
    const place = key === "" ? "at the top" : `below "${key}"`;
    throw taskInvalid(
      path,
      "is unknown",
      `no key of that name exists ${place}`,
      rightKey(name, known),
    );
  }
  for (const [name, child] of Object.entries(known)) {
    const path = key === "" ? name : `${key}.${name}`;
    refuseUnknownKeys((value as Record<string, unknown>)[name], child, path);
  }
}

function rightKey(name: string, known: Readonly<Record<string, JsonSchema>>): string {
  for (const [group, schema] of Object.entries(TASK_SCHEMA.properties ?? {})) {
    if (schema.properties !== undefined && Object.hasOwn(schema.properties, name)) {
      return `"${name}" belongs below "${group}"`;
    }
  }
  if (Object.hasOwn(TASK_SCHEMA.properties ?? {}, name)) return `"${name}" belongs at the top`;
  const meant = nearest(name, Object.keys(known));
  if (meant !== null) return `did you mean "${meant}"?`;
  return `known are ${Object.keys(known).join(", ")}`;
}

/** No text of a task may hold what no path, argument or variable can carry. */
function refuseStrangeTexts(value: unknown, key: string): void {
  if (typeof value === "string") {
    if (value.includes("\0")) {
      const why = "no path, argument or variable can carry one";
      throw taskInvalid(key, "holds a NUL character", why, "take it out");
    }
    if (!value.isWellFormed()) {
      const why = "it can't be written as UTF-8";
      throw taskInvalid(key, "holds half a surrogate pair", why, "write whole characters");
    }
  } else if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) refuseStrangeTexts(value[i], `${key}[${i}]`);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, child] of Object.entries(value)) {
      refuseStrangeTexts(child, key === "" ? name : `${key}.${name}`);
    }
  }
}
