/**
 * Masked rounds in memory: signed messages, the fold that everybody uses, and banks that take their part
 * through the same functions as an agent. No sockets, no disk, no clock: a crash is an exception at a promise.
 */
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { messageHash, signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signHead } from '#shared/ledger/checkpoint.ts';
import { recordEntry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { apply, assertAdmissible, assertAuthentic } from '#shared/ledger/federation.ts';
import { emptyFederation, type OpenRound, type Run, type Session } from '#shared/ledger/federation-state.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/rounds.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import { participantId, runId, type ParticipantId } from '#shared/protocol/ids.ts';
import type { Message, MessageType, Payload } from '#shared/protocol/messages.ts';
import { plan } from '#shared/protocol/plan.ts';
import type { Ring } from '#shared/ring/field.ts';
import { thresholdsFor } from '#shared/secure-sum/thresholds.ts';
import { SimulatedBank } from './simulated-bank.ts';
import { witnessKeyOf } from './witness-keys.ts';
import { tinyPlan } from './tiny-bank-data.ts';

/** When everything happens, and when it should have happened. */
export const SIMULATED_TIME = 1_000_000;
export const SIMULATED_DEADLINE = SIMULATED_TIME + 60_000;

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Bank `i` of any consortium, by its sorted name. */
export function bankName(index: number): ParticipantId {
  return participantId.parse(`bank-${String(index).padStart(3, '0')}`);
}

/** Signatures that were verified once; the same message comes in many histories. */
const verified = new Set<string>();

/** A ledger, or the history that one bank is shown. */
export class SimulatedLedger {
  readonly entries: RecordedEntry[] = [];
  readonly state = emptyFederation();

  /** @throws FederationError when the message may not be the next entry */
  append(message: Message): RecordedEntry {
    const recorded = recordEntry({ seq: this.entries.length, time: SIMULATED_TIME, message });
    const key = `${recorded.hash} ${message.sig}`;
    if (!verified.has(key)) {
      assertAuthentic(this.state, message);
      verified.add(key);
    }
    assertAdmissible(this.state, message, SIMULATED_TIME);
    this.take(recorded);
    return recorded;
  }

  /** A history that has gone the same way so far. */
  fork(size = this.entries.length): SimulatedLedger {
    const fork = new SimulatedLedger();
    for (const recorded of this.entries.slice(0, size)) fork.take(recorded);
    return fork;
  }

  get run(): Run {
    return [...this.state.runs.values()][0]!;
  }

  get session(): Session {
    return this.run.session!;
  }

  get open(): OpenRound {
    const { phase } = this.run;
    if (phase.name !== 'collecting') throw new Error(`the run is ${phase.name}`);
    return phase.open;
  }

  private take(recorded: RecordedEntry): void {
    apply(this.state, recorded);
    this.entries.push(recorded);
  }
}

const LOG_SEED = sha256(utf8('simulated log'));
/** The fold does not look at its root. */
const HEAD = signHead('tallystick/simulated', 1, sha256(utf8('any')), LOG_SEED);

/** Everybody's keys, what the coordinator signs, and the ledger up to the start of one masked run. */
export class SimulatedConsortium {
  readonly banks: readonly SimulatedBank[];
  readonly founded = new SimulatedLedger();
  /** Share tables by their root, as the coordinator keeps them. */
  readonly tables = new Map<string, Uint8Array>();
  private readonly seed = sha256(utf8('simulated coordinator'));

  constructor(count: number) {
    this.banks = range(count).map((index) => new SimulatedBank(bankName(index), this.tables));
    this.found();
  }

  sign<Type extends MessageType>(type: Type, payload: Payload<Type>): Message<Type> {
    return signMessage(type, payload, this.seed) as Message<Type>;
  }

  openSession(run: Run, participants: readonly ParticipantId[], slots: number, nonce: string) {
    return this.sign('open-session', {
      run: run.id,
      parent: lastHash(run),
      suite: 'x25519-hkdf256-aes256ctr-gf256',
      nonce: toBase64Url(sha256(utf8(nonce)).subarray(0, 16)),
      participants: [...participants],
      thresholds: thresholdsFor(participants.length, run.company.colluders),
      slots,
      deadlineAt: SIMULATED_DEADLINE,
    });
  }

  sealSession(session: Session): Message<'seal-session'> {
    const dealers = [...session.dealt.keys()].sort((a, b) => a - b);
    return this.sign('seal-session', {
      session: session.hash,
      roster: session.rosterHash!,
      dealers,
      shareRoots: dealers.map((index) => session.dealt.get(index)!.shareRoot),
    });
  }

  /** The next round, with the next slot of the session in force. */
  openRound(run: Run, question: string, ring: Ring, length: number): Message<'open-round'> {
    const { phase, session } = run;
    if (phase.name !== 'ready') throw new Error(`the run is ${phase.name}`);
    return this.sign('open-round', {
      run: run.id,
      parent: phase.parent,
      round: phase.round,
      attempt: phase.attempt,
      question: { kind: 'simulated', hash: toHex(sha256(utf8(question))), ring, length },
      metrics: {},
      deadlineAt: SIMULATED_DEADLINE,
      head: HEAD,
      keys: { session: session!.sealed!.hash, slot: session!.nextSlot },
    });
  }

  fixSurvivors(open: OpenRound): Message<'fix-survivors'> {
    return this.sign('fix-survivors', {
      ctx: open.hash,
      slot: open.masked!.slot,
      survivors: survivorsOf(open),
      survivorsHash: survivorsHash(open),
    });
  }

  closeRound(open: OpenRound, sumRoot: string): Message<'close-round'> {
    const survivors = survivorsOf(open);
    return this.sign('close-round', {
      ctx: open.hash,
      survivors,
      survivorsHash: survivorsHash(open),
      sumRoot,
    });
  }

  voidRound(open: OpenRound, code: 'COHORT' | 'QUORUM' | 'SHARES'): Message<'void-round'> {
    return this.sign('void-round', { ctx: open.hash, code, reason: 'simulated' });
  }

  /** Everybody deals, nobody fails. @returns the ledger up to the sealed session */
  async sealed(slots: number, receivers = this.banks): Promise<SimulatedLedger> {
    const ledger = this.founded.fork();
    const ids = this.banks.map((bank) => bank.id);
    ledger.append(this.openSession(ledger.run, ids, slots, 'everybody'));
    for (const bank of this.banks) ledger.append(await bank.advertise(ledger.session));
    for (const bank of this.banks) ledger.append(await bank.deal(ledger.session));
    ledger.append(this.sealSession(ledger.session));
    for (const bank of receivers) {
      const faults = bank.receive(ledger.session);
      if (faults.length > 0) throw new Error(`${bank.id}: ${faults[0]!.reason}`);
    }
    return ledger;
  }

  private found(): void {
    const { founded: ledger, banks } = this;
    const ids = banks.map((bank) => bank.id);
    const charter = ledger.append(
      this.sign('charter', {
        ...{ v: 1, consortium: 'simulated', origin: 'tallystick/simulated' },
        coordinatorKey: toBase64Url(publicKeyOf(this.seed)),
        logKey: toBase64Url(publicKeyOf(LOG_SEED)),
      }),
    ).hash;
    const enrols = banks.map((bank) => {
      const token = `token of ${bank.id}, long enough`;
      const tokenHash = toHex(sha256(utf8(token)));
      const expiresAt = SIMULATED_DEADLINE;
      const invite = { charter, participant: bank.id, tokenHash, expiresAt };
      const { hash } = ledger.append(this.sign('invite', invite));
      const identityKey = bank.identityKey;
      const witnessKey = witnessKeyOf(bank.id);
      const enrol = {
        invite: hash,
        from: bank.id,
        token,
        identityKey,
        witnessKey,
        agentVersion: 'simulated',
      };
      return ledger.append(bank.sign('enrol', enrol)).hash;
    });
    enrols.forEach((enrol, i) => ledger.append(this.sign('admit', { enrol, participant: ids[i]! })));
    const proposal = plan.parse({
      ...tinyPlan(ids, { name: 'simulated', minimum: thresholdsFor(banks.length).minimum, retries: 5 }),
      contract: toHex(sha256(utf8('simulated contract'))),
      aggregation: 'masked',
    });
    const proposed = ledger.append(this.sign('run-proposed', { charter, plan: proposal })).hash;
    const run = runId.parse(proposed);
    for (const bank of banks) {
      ledger.append(bank.sign('consent', { run, from: bank.id, decision: 'granted', reason: '' }));
    }
    const identityKeys = banks.map((bank) => bank.identityKey);
    ledger.append(
      this.sign('run-started', { run, roster: ids, identityKeys, witnessKeys: ids.map(witnessKeyOf) }),
    );
  }
}

/** Hash of an open-round: the context that answers name. */
export function ctxOf(message: Message<'open-round'>): string {
  return messageHash('open-round', message.payload);
}
