/**
 * The engine with the merge room, as a process of its own that a test kills: opens the store in
 * argv[2], merges what is there, and prints the view of task argv[3] when it has ended.
 */
import { ended, openWorld } from "./harness.ts";

const [folder, task] = process.argv.slice(2) as [string, string];
const world = await openWorld(folder, { inline: true });
await world.coordinator.start();
const view = await ended(world, Number(task));
await world.coordinator.idle();
process.stdout.write(`${JSON.stringify({ state: view.state, files: view.files })}\n`);
await world.close();
