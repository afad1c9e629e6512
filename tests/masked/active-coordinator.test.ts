/**
 * Whatever the coordinator and up to c colluding banks do, over everything the honest banks ever send: nobody
 * can open one bank's vector, and no bank signs two things of which one excludes the other.
 */
import { describe, expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import type { Payload } from '#shared/protocol/messages.ts';
import { SEED_KINDS, type SeedKind } from '#shared/secure-sum/session-context.ts';
import { shareIn } from '#shared/secure-sum/share-table-layout.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';
import { SimulatedConsortium, type SimulatedLedger } from '../support/secure-sum-simulation.ts';
import type { SimulatedBank } from '../support/simulated-bank.ts';
import { ActiveCoordinator, type Habits, type KnownRound } from './active-coordinator.ts';
import type { HonestBank } from './honest-bank.ts';

/** For each of four numbers of banks: a thousand in all; `npm run test:soak` plays ten thousand. */
const SCHEDULES = Number(process.env['TALLYSTICK_SCHEDULES'] ?? 250);
const STEPS = 180;

/** Values by key. */
class Values<T> {
  private readonly byKey = new Map<string, Set<T>>();

  add(key: string, value: T): void {
    this.byKey.set(key, (this.byKey.get(key) ?? new Set()).add(value));
  }

  count(key: string): number {
    return this.byKey.get(key)?.size ?? 0;
  }

  get keys(): string[] {
    return [...this.byKey.keys()];
  }

  /** The keys under which there is more than one. */
  get ambiguous(): string[] {
    return this.keys.filter((key) => this.count(key) > 1);
  }
}

/** Which seed of a dealer this is a share of, as the bank received it. */
function kindOf(bank: HonestBank, { session, slot }: KnownRound, dealer: number, share: string): SeedKind {
  const held = bank.received.get(session.hash)!.shares.get(dealer)!;
  return SEED_KINDS.find((kind) => toBase64Url(shareIn(held, slot, kind)) === share)!;
}

/** What the coordinator and the colluders have in their hands, and what of it must not be. */
function judge(world: ActiveCoordinator): { violations: string[]; sumsOpened: number } {
  const said = new Values<string>();
  const verdicts = new Values<string>();
  const revealed = new Values<SeedKind>();
  const openedBy = new Values<string>();
  const holders = new Values<number>();
  const slots = new Map<string, KnownRound>();
  for (const { bank, message } of world.sent) {
    const { type, payload } = message;
    if ('session' in payload && type !== 'complain')
      said.add(`${type} of ${bank.id} in ${payload.session}`, message.sig);
    if (!('slot' in payload)) continue;
    const round = world.rounds.get(payload.ctx)!;
    const place = `${round.session.hash}/${round.slot}`;
    said.add(`${type} of ${bank.id} in ${place}`, message.sig);
    if (type === 'unmask' || type === 'abort-round') verdicts.add(`verdict of ${bank.id} in ${place}`, type);
    if (type !== 'unmask') continue;
    slots.set(place, round);
    openedBy.add(`${round.question} opened by ${bank.id}`, payload.ctx);
    countShares(bank, round, payload, revealed, holders);
  }
  const leaks = [...slots].flatMap(([place, round]) => leakOf(world, place, round, holders));
  const violations = [said, verdicts, revealed, openedBy].flatMap((values) => values.ambiguous);
  for (const { place, both, sum } of leaks) {
    if (both.length > 0) violations.push(`both seeds of ${both.join()} in ${place}`);
    if (sum !== undefined && sum.banks.length < 2) violations.push(`sum of one honest bank in ${place}`);
  }
  const sums = leaks.flatMap(({ sum }) => sum ?? []);
  sums.forEach(({ question, banks }, i) => {
    const twice = sums
      .slice(0, i)
      .filter((other) => other.question === question && other.banks.some((id) => banks.includes(id)));
    if (twice.length > 0) violations.push(`two sums of one answer to ${question}`);
  });
  return { violations, sumsOpened: sums.length };
}

function countShares(
  bank: HonestBank,
  round: KnownRound,
  { shares }: Payload<'unmask'>,
  revealed: Values<SeedKind>,
  holders: Values<number>,
): void {
  const { session, slot, dealers } = round;
  const revealer = session.participants.indexOf(bank.id);
  for (const [position, dealer] of dealers.entries()) {
    const kind = kindOf(bank, round, dealer, shares[position]!);
    const place = `${session.hash}/${slot}, dealer ${dealer}`;
    revealed.add(`seeds that ${bank.id} revealed in ${place}`, kind);
    holders.add(`${kind} in ${place}`, revealer);
  }
}

/** What can be combined in one slot, if no more banks collude than the session tolerates. */
function leakOf(
  world: ActiveCoordinator,
  place: string,
  { session, dealers, question }: KnownRound,
  holders: Values<number>,
) {
  const colluding = world.colluders.filter((bank) => session.participants.includes(bank.id)).length;
  if (colluding > session.thresholds.colluders) return [];
  const honest = dealers.filter((dealer) =>
    world.honest.some(({ id }) => id === session.participants[dealer]),
  );
  const isOpen = (dealer: number, kind: SeedKind): boolean =>
    holders.count(`${kind} in ${place}, dealer ${dealer}`) + colluding >= session.thresholds.threshold;
  const both = honest.filter((dealer) => isOpen(dealer, 'mask') && isOpen(dealer, 'self'));
  const isSum = honest.every((dealer) => isOpen(dealer, 'mask') || isOpen(dealer, 'self'));
  const banks = honest
    .filter((dealer) => isOpen(dealer, 'self'))
    .map((dealer) => session.participants[dealer]!);
  return [{ place, both, sum: isSum ? { question, banks } : undefined }];
}

/** Where schedules begin: with everybody's keys sealed, or with nothing dealt. */
interface Scene {
  readonly consortium: SimulatedConsortium;
  readonly sealed: SimulatedLedger;
}

async function sceneOf(count: number): Promise<Scene> {
  const consortium = new SimulatedConsortium(count);
  return { consortium, sealed: await consortium.sealed(4) };
}

async function play(
  { consortium, sealed }: Scene,
  seed: number,
  habits: Habits = {},
  change: (world: ActiveCoordinator) => void = () => {},
): Promise<ActiveCoordinator> {
  const start = seed % 5 === 0 ? consortium.founded : sealed;
  const count = consortium.banks.length;
  const { colluders } = thresholdsFor(count);
  const name = `${count} banks, schedule ${seed}`;
  const world = new ActiveCoordinator(consortium, start, colluders, name, habits);
  change(world);
  await world.play(STEPS);
  return world;
}

const happened = new Set<string>();

describe.each([3, 4, 5, 6])('of %i banks,', (count) => {
  test('whatever history each is shown, no vector of an honest bank can be opened', async () => {
    const scene = await sceneOf(count);
    const tally = new Map<string, number>();
    let sumsOpened = 0;
    for (let seed = 0; seed < SCHEDULES; seed++) {
      const world = await play(scene, seed);
      const verdict = judge(world);
      expect(verdict.violations, `schedule ${seed}`).toEqual([]);
      sumsOpened += verdict.sumsOpened;
      for (const [what, times] of world.tally) tally.set(what, (tally.get(what) ?? 0) + times);
    }
    // a schedule in which nothing happens proves nothing
    expect(sumsOpened).toBeGreaterThan(5);
    for (const what of ['sent unmask', 'sent abort-round', 'refused EQUIVOCATION', 'refused REPLAY']) {
      expect(tally.get(what), what).toBeGreaterThan(50);
    }
    for (const what of tally.keys()) happened.add(what);
  });
});

test('banks have crashed before and after each of their promises', () => {
  const types = [
    'advertise-keys',
    'share-keys',
    'masked-input',
    'consistency-check',
    'unmask',
    'abort-round',
  ];
  for (const type of types) {
    expect(happened).toContain(`crash before ${type}`);
    expect(happened).toContain(`crash after ${type}`);
  }
});

describe('a bank that would forget at a restart', () => {
  test.each<[string, RegExp, number, string[]?]>([
    ['what it has sent', /input$/, 4],
    ['what it has certified', /certificate$/, 4],
    ['what it has revealed or aborted', /verdict$/, 4],
    ['which questions it has answered', /^question/, 3, ['the only question']],
  ])('%s is found out by this very test', async (_, forgotten, count, questions?: string[]) => {
    const habits: Habits = questions === undefined ? {} : { restarts: 0.05, questions };
    const scene = await sceneOf(count);
    for (let seed = 1; seed < 600; seed++) {
      const world = await play(scene, seed, habits, ({ honest }) => {
        for (const bank of honest) {
          const restart = bank.forgetHistory.bind(bank);
          bank.forgetHistory = () => {
            bank.promises.forget(forgotten);
            restart();
          };
        }
      });
      const { violations } = judge(world);
      if (violations.length > 0) return;
    }
    throw new Error('no schedule found it out');
  });
});

test('a bank that is shown another seal of a session than it has checked refuses by a code', async () => {
  const consortium = new SimulatedConsortium(4);
  const [bank, ...others] = consortium.banks as [SimulatedBank, ...SimulatedBank[]];
  const dealt = consortium.founded.fork();
  const ids = consortium.banks.map(({ id }) => id);
  dealt.append(consortium.openSession(dealt.run, ids, 1, 'two seals'));
  for (const one of consortium.banks) dealt.append(await one.advertise(dealt.session));
  for (const one of consortium.banks.slice(0, 3)) dealt.append(await one.deal(dealt.session));
  const other = dealt.fork();
  dealt.append(consortium.sealSession(dealt.session)); // of three dealers
  expect(bank.receive(dealt.session)).toEqual([]);

  other.append(await others[2]!.deal(other.session));
  other.append(consortium.sealSession(other.session)); // of four
  for (const one of others) expect(one.receive(other.session)).toEqual([]);
  other.append(consortium.openRound(other.run, 'a question', 'u32', 1));
  for (const one of others) other.append(await one.input(other.open, Uint32Array.of(1)));
  other.append(consortium.fixSurvivors(other.open));
  for (const one of others) other.append(await one.certify(other.open));
  await expect(async () => bank.reveal(other.open)).rejects.toMatchObject({ code: 'EQUIVOCATION' });
});
