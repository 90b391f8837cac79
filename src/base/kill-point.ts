/**
 * Named kill points: a test interface for crashes at the worst moments. With
 * `JUMBO_KILL_POINT=name:n` in the environment the process kills itself (SIGKILL, so that no
 * handler, buffer or destructor gets a last word) when it passes the named point for the n-th time.
 * Without that variable a point costs one comparison.
 *
 * Points of the store: before-commit, after-put, before-flush, after-flush, create-before-rename,
 * create-after-rename, epoch-raised (src/store says where each one is).
 */
const armed = /^([a-z][a-z0-9-]*):([1-9]\d*)$/.exec(
  (typeof process === "undefined" ? undefined : process.env["JUMBO_KILL_POINT"]) ?? "",
);
const armedName = armed?.[1] ?? "";
let hitsLeft = Number(armed?.[2] ?? 0);

/** Ends the process here if this point is armed and this is its n-th hit. */
export function killPoint(name: string): void {
  if (armedName === "" || name !== armedName) return;
  if (--hitsLeft === 0) process.kill(process.pid, "SIGKILL");
}
