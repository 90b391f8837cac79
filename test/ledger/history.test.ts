import { expect, test } from "vitest";
import { History } from "./history.ts";

/** `JUMBO_LEDGER_SEED=n` runs that one history; `JUMBO_LEDGER_HISTORIES` more of them. */
const one = process.env["JUMBO_LEDGER_SEED"];
const histories = Number(process.env["JUMBO_LEDGER_HISTORIES"] ?? 150);
const STEPS = 160;

test("random histories with crashes agree with the naive model, range by range", () => {
  let crashes = 0;
  const [from, to] = one === undefined ? [1, histories] : [Number(one), Number(one)];
  for (let seed = from; seed <= to; seed++) {
    const history = new History(seed);
    try {
      for (let step = 0; step < STEPS; step++) {
        history.step();
        if (step % 8 === 0) history.compare();
      }
      history.commit();
      history.crash();
    } catch (error) {
      const line = `JUMBO_LEDGER_SEED=${seed} npx vitest run test/ledger/history.test.ts`;
      throw new Error(`a history went wrong, replay it by: ${line}`, { cause: error });
    }
    crashes += history.crashes;
  }
  if (one === undefined) expect(crashes).toBeGreaterThan(histories);
});
