import type { SeededRandom } from "../../src/base/index.ts";

/** A copy in random order, every order as likely. */
export function shuffled<Item>(items: readonly Item[], random: SeededRandom): Item[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const k = random.below(i + 1);
    [order[i], order[k]] = [order[k] as Item, order[i] as Item];
  }
  return order;
}
