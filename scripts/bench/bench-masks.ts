/**
 * The arithmetic of a masked round on one thread, without transport: what one bank spends on its mask, what
 * the coordinator spends on opening the sum, with and without dropouts, and what dealing keys costs.
 */
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { applyMasks } from '#shared/secure-sum/apply-masks.ts';
import { drawSecrets, publicKeysOf, seededBytes } from '#shared/secure-sum/deal-secrets.ts';
import { inputMasks } from '#shared/secure-sum/mask-keys.ts';
import { masksOfSum, openedSeed, type FixedSlot } from '#shared/secure-sum/open-sum.ts';
import type { SessionContext } from '#shared/secure-sum/session-context.ts';
import { dealShares, openPackage, ownShares, packageFor } from '#shared/secure-sum/share-table.ts';
import { rootsOfTable, shareIn } from '#shared/secure-sum/share-table-layout.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';

export interface MaskCost {
  readonly banks: number;
  readonly dropouts: number;
  readonly weights: number;
  /** CPU seconds of one bank for its mask. */
  readonly agentSeconds: number;
  /** CPU seconds of the coordinator from the revealed shares to the sum. */
  readonly openSeconds: number;
}

export interface SessionCost {
  readonly banks: number;
  readonly slots: number;
  /** CPU seconds of one bank: its keys, its shares for all, the check of all others' shares. */
  readonly bankSeconds: number;
  /** Sessions a second when one core does the work of all banks. */
  readonly sessionsPerSecond: number;
  /** Bytes a bank sends for one session. */
  readonly bytesSent: number;
}

interface Dealt {
  readonly context: SessionContext;
  readonly secrets: readonly ReturnType<typeof drawSecrets>[];
  readonly keys: readonly ReturnType<typeof publicKeysOf>[];
  /** By recipient, then dealer: a text of shares. */
  readonly shares: readonly Uint8Array[][];
  readonly cost: SessionCost;
}

function deal(banks: number, slots: number): Dealt {
  const { threshold } = thresholdsFor(banks);
  const sessionHash = sha256(utf8(`bench session ${banks}`));
  const context: SessionContext = { sessionHash, rosterHash: sha256(sessionHash), banks, slots, threshold };
  const seeds = Array.from({ length: banks }, (_, i) => sha256(utf8(`bench bank ${i}`)));
  const started = process.cpuUsage();
  const randoms = seeds.map(seededBytes);
  const secrets = randoms.map((random) => drawSecrets(slots, random));
  const keys = secrets.map((one, i) => publicKeysOf(one, sessionHash, i));
  const channelKeys = keys.map(({ channelKey }) => channelKey);
  const tables = secrets.map((one, i) => dealShares(context, i, one, channelKeys, randoms[i]!));
  const roots = tables.map((table, i) => rootsOfTable(table, context, i));
  const shares = secrets.map((own, to) =>
    tables.map((table, from) => {
      if (from !== to) {
        const bytes = packageFor(table, context, to);
        return openPackage(bytes, context, from, to, roots[from]!, own.channelSecret, channelKeys[from]!);
      }
      const random = seededBytes(seeds[to]!);
      return ownShares(context, to, drawSecrets(slots, random), random);
    }),
  );
  const seconds = cpuSince(started);
  const bytesSent = tables[0]!.length + slots * 88 + 500;
  return {
    context,
    secrets,
    keys,
    shares,
    cost: { banks, slots, bankSeconds: seconds / banks, sessionsPerSecond: 1 / seconds, bytesSent },
  };
}

export function benchSession(banks: number, slots: number): SessionCost {
  deal(banks, slots);
  return deal(banks, slots).cost; // the second one runs compiled
}

export function benchMasks(banks: number, dropouts: number, weights: number): MaskCost {
  const { context, secrets, keys, shares } = deal(banks, 1);
  const roundHash = sha256(context.sessionHash, utf8('round'));
  const all = secrets.map((_, i) => i);
  const slotKeys = new Map(keys.map((own, i) => [i, own.slotKeys[0]!]));
  const words = new Uint32Array(weights).map((_, i) => Math.imul(i, 2_654_435_761));
  const repeats = 3;
  let started = process.cpuUsage();
  for (let i = 0; i < repeats; i++) {
    applyMasks(words, inputMasks(roundHash, 0, 1, secrets[1]!.slots[0]!, all, slotKeys));
  }
  const agentSeconds = cpuSince(started) / repeats;
  const survivors = all.slice(0, banks - dropouts);
  const fixed: FixedSlot = {
    sessionHash: context.sessionHash,
    roundHash,
    slot: 0,
    threshold: context.threshold,
    dealers: all,
    survivors,
    slotKeys,
    seedCommitments: new Map(keys.map((own, i) => [i, own.seedCommitments[0]!])),
  };
  const revealed = new Map(
    survivors.map((to) => [
      to,
      all.map((dealer) => shareIn(shares[to]![dealer]!, 0, openedSeed(dealer, survivors))),
    ]),
  );
  started = process.cpuUsage();
  for (let i = 0; i < repeats; i++) applyMasks(words, masksOfSum(fixed, revealed));
  return { banks, dropouts, weights, agentSeconds, openSeconds: cpuSince(started) / repeats };
}

function cpuSince(started: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1e6;
}
