/** What a pilot says to be let in with a key of these terms. */
import { credentialOf, identityOf, type PilotCaveats, pilotKeyOf } from "../../src/base/index.ts";

/** @param storeKey one of the keys that the engine was given */
export function credentialFor(storeKey: string, caveats: PilotCaveats): string {
  const pilotIdentity = identityOf(caveats);
  return credentialOf({ pilotIdentity, pilotKey: pilotKeyOf(storeKey, pilotIdentity) as string });
}
