/**
 * Payload groups must not outlive a pilot that dies without a word (SIGKILL, out of memory). One
 * small shell process keeps the list of groups and reads our changes from a pipe; when the pipe
 * ends, because this process is gone for whatever reason, it kills what is still on the list.
 */
import { type ChildProcess, spawn } from "node:child_process";

const SCRIPT = `
live=" "
while read -r what group; do
  case $what in
    add) live="$live$group " ;;
    end) live="\${live%% $group *} \${live#* $group }" ;;
  esac
done
for group in $live; do kill -s KILL -- "-$group" 2>/dev/null; done
`;

let dog: ChildProcess | null = null;
const guarded = new Set<number>();

function tell(line: string): void {
  if (dog === null) {
    const child = spawn("sh", ["-c", SCRIPT], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
      cwd: "/",
    });
    // Where there is no sh, or somebody kills it: payloads just go unguarded until the next one.
    child.on("error", () => {});
    child.stdin.on("error", () => {});
    child.once("exit", () => {
      if (dog === child) dog = null;
    });
    child.unref();
    (child.stdin as unknown as { unref(): void }).unref();
    dog = child;
    for (const group of guarded) child.stdin.write(`add ${group}\n`);
    return;
  }
  dog.stdin?.write(line);
}

/** The group of this leader is killed if this process dies. */
export function guardGroup(leader: number): void {
  guarded.add(leader);
  tell(`add ${leader}\n`);
}

export function releaseGroup(leader: number): void {
  if (guarded.delete(leader)) tell(`end ${leader}\n`);
}
