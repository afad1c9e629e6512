/**
 * Parties of a test process that crash at a chosen durable step. A step is what puts something on a disk or into
 * the database; it is met at the class that does it, so the product runs as it is.
 *
 * At the step everything of that party stands still, as if its process were gone: nothing more is persisted and
 * nobody gets a reply, until `revive` is called while the party is stopped. What it had under way then ends in an
 * error nobody hears.
 */
import { afterAll, vi } from 'vitest';
import { Journal } from '#coordinator/journal/journal.ts';
import { BodyStore } from '#coordinator/store/body-store.ts';
import { EntryStore } from '#coordinator/store/entry-store.ts';
import { Uploads } from '#coordinator/store/uploads.ts';
import { AgentState } from '#participant-agent/state/agent-state.ts';
import { KeyVault } from '#participant-agent/state/key-vault.ts';
import { PromiseFile } from '#participant-agent/state/promise-file.ts';
import type { Clock } from '#shared/protocol/clock.ts';

/** `before`: nothing of the step is kept. `after`: it is, and its reply is lost. */
export type Moment = 'before' | 'after';

class Party {
  readonly folder: string;
  private crash: { step: string; moment: Moment; left: number; fire: () => void } | undefined;
  private state: 'alive' | 'gone' | 'ending' = 'alive';
  private releases: (() => void)[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  arm(step: string, moment: Moment, nth: number): Promise<void> {
    return new Promise((resolve) => (this.crash = { step, moment, left: nth, fire: resolve }));
  }

  /** What was under way at the crash ends; `stopped` is the end of the process that crashed. */
  async revive(stopped: Promise<unknown>): Promise<void> {
    this.state = 'ending';
    for (const release of this.releases.splice(0)) release();
    await stopped;
    this.state = 'alive';
  }

  /** @param steps that `act` is, perhaps the same several times: entries that are stored together */
  async run<T>(steps: readonly string[], act: () => Promise<T>): Promise<T> {
    const { crash } = this;
    if (this.state !== 'alive') return this.never();
    const times = crash === undefined ? 0 : steps.filter((step) => step === crash.step).length;
    if (crash === undefined || times === 0 || (crash.left -= times) > 0) return act();
    this.crash = undefined;
    if (crash.moment === 'after') await act();
    this.state = 'gone';
    crash.fire();
    return this.never();
  }

  private async never(): Promise<never> {
    if (this.state === 'gone') await new Promise<void>((resolve) => this.releases.push(resolve));
    throw new Error('the process has crashed');
  }
}

const parties: Party[] = [];
/** Folders of coordinators by their clocks: an entry store does not know where it is. */
const folders = new Map<Clock, string>();
const places = new WeakMap<object, string>();

/** The party whose files are in this folder. A coordinator is known by its clock as well. */
export function partyIn(folder: string, clock?: Clock): Party {
  const party = new Party(folder);
  parties.push(party);
  if (clock !== undefined) folders.set(clock, folder);
  return party;
}

function at<T>(place: string | undefined, steps: readonly string[], act: () => Promise<T>): Promise<T> {
  const party = parties.find(({ folder }) => place === folder || place?.startsWith(`${folder}/`));
  return party === undefined ? act() : party.run(steps, act);
}

const { open: openJournal } = Journal;
vi.spyOn(Journal, 'open').mockImplementation((store, keys, clock, onBroken) => {
  const folder = folders.get(clock);
  if (folder !== undefined) places.set(store, folder);
  return openJournal.call(Journal, store, keys, clock, onBroken);
});
const { open: openPromises } = PromiseFile;
vi.spyOn(PromiseFile, 'open').mockImplementation(async (path) => {
  const file = await openPromises.call(PromiseFile, path);
  places.set(file, path);
  return file;
});

/** Meets calls of a method. `step` names what a call persists. */
function meet<Owner extends object, Name extends keyof Owner & string>(
  owner: { prototype: Owner },
  name: Name,
  step: (...args: Parameters<Method<Owner[Name]>>) => string | readonly string[],
): void {
  const original = owner.prototype[name] as (...args: unknown[]) => Promise<unknown>;
  const met = function (this: { folder?: string }, ...args: Parameters<Method<Owner[Name]>>) {
    const act = (): Promise<unknown> => original.apply(this, args);
    return at(places.get(this) ?? this.folder, [step(...args)].flat(), act);
  };
  Object.assign(owner.prototype, { [name]: met });
  afterAll(() => void Object.assign(owner.prototype, { [name]: original }));
}
type Method<T> = T extends (...args: infer Args) => Promise<unknown> ? (...args: Args) => void : never;

meet(EntryStore, 'append', (batch) => batch.map(({ recorded }) => `entry ${recorded.entry.message.type}`));
meet(Uploads, 'receive', () => 'body received');
meet(BodyStore, 'claim', () => 'body claimed');
meet(BodyStore, 'put', () => 'body written');
meet(AgentState, 'keepAnswer', () => 'answer in the outbox');
meet(AgentState, 'forgetAnswer', () => 'answer forgotten');
meet(AgentState, 'keepWitnessedNote', (_note, flush) => (flush ? 'witnessed head' : 'head in passing'));
meet(AgentState, 'keepModel', () => 'model');
meet(PromiseFile, 'put', (_purposes, message) => `promise ${message.type}`);
meet(KeyVault, 'makeSeed', () => 'seed of a session');
meet(KeyVault, 'keep', (_session, _held, sync = true) =>
  sync ? 'keys of a session' : 'keys without a slot',
);
meet(KeyVault, 'forget', () => 'keys forgotten');
