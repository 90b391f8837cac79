/**
 * Ends the process with an exit code although a native thread of it hangs. `process.exit` (and C's
 * exit below it) joins the thread pool: a write that never returns from a sick disk would keep the
 * process, its ports and its locks for ever. Replacing the process image ends every other thread
 * at once; the new image does nothing but exit. Only the main thread can do it; elsewhere, and on
 * a Node without execve (before 22.15), it is process.exit.
 */
export function exitNow(code: number): never {
  const { execve } = process;
  if (typeof execve === "function") {
    try {
      const environment = { ...process.env, NODE_OPTIONS: "" } as Record<string, string>;
      execve(process.execPath, ["node", "-e", `process.exit(${code})`], environment);
    } catch {
      // Not the main thread, or no such system call: the ordinary way.
    }
  }
  process.exit(code);
}
