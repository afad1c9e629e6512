/** A ledger that nobody trained: honest in form, signed by everybody, its vectors made up. For benchmarks. */
import { RunMachine } from '#models/run-machine.ts';
import { contractBytes, contractHash, type DataContract } from '#shared/contract/contract.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { sha256, toHex, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signHead } from '#shared/ledger/checkpoint.ts';
import { signCosignature } from '#shared/ledger/cosignature.ts';
import { recordEntry, type RecordedEntry } from '#shared/ledger/entry.ts';
import { apply } from '#shared/ledger/federation.ts';
import { emptyFederation, type Run } from '#shared/ledger/federation-state.ts';
import { MerkleTree } from '#shared/ledger/merkle-tree.ts';
import { survivorsHash, survivorsOf } from '#shared/ledger/rounds.ts';
import { lastHash } from '#shared/ledger/run-rules.ts';
import { participantId, type ParticipantId } from '#shared/protocol/ids.ts';
import type { Message, MessageType, Payload } from '#shared/protocol/messages.ts';
import type { SignedHead } from '#shared/protocol/payloads/fields.ts';
import type { Plan } from '#shared/protocol/plan.ts';
import { addInto, createWords } from '#shared/ring/ring-sum.ts';
import { bytesOf, vectorRoot } from '#shared/ring/vector-root.ts';

const seedOf = (name: string): Uint8Array => sha256(utf8(`bench ledger ${name}`));
const keyOf = (name: string): string => toBase64Url(publicKeyOf(seedOf(name)));
const FAR = 4_000_000_000_000;

export class MadeLedger {
  readonly state = emptyFederation();
  readonly tree = new MerkleTree();
  readonly logSeed = seedOf('log');
  readonly charter: string;
  private readonly onEntry: (recorded: RecordedEntry) => void;
  private readonly isSigned: boolean;

  /** @param isSigned whether banks sign: for a fold that does not look, a form will do */
  constructor(onEntry: (recorded: RecordedEntry) => void, isSigned: boolean) {
    this.onEntry = onEntry;
    this.isSigned = isSigned;
    this.charter = this.say('charter', {
      ...{ v: 1, consortium: 'bench', origin: 'tallystick/bench' },
      ...{ coordinatorKey: keyOf('coordinator'), logKey: keyOf('log') },
    });
  }

  join(names: readonly string[]): ParticipantId[] {
    return names.map((name) => {
      const participant = participantId.parse(name);
      const token = `token of ${name}, long enough`;
      const tokenHash = toHex(sha256(utf8(token)));
      const invite = this.say('invite', { charter: this.charter, participant, tokenHash, expiresAt: FAR });
      const keys = { identityKey: keyOf(name), witnessKey: keyOf(`${name} witness`) };
      const enrol = this.say(
        'enrol',
        { invite, from: participant, token, ...keys, agentVersion: 'bench' },
        name,
      );
      this.say('admit', { enrol, participant });
      return participant;
    });
  }

  start(plan: Plan): Run {
    const id = this.say('run-proposed', { charter: this.charter, plan });
    const run = this.state.runs.get(id as Run['id'])!;
    for (const from of plan.participants)
      this.say('consent', { run: run.id, from, decision: 'granted', reason: '' }, from);
    const witnessKeys = plan.participants.map((name) => keyOf(`${name} witness`));
    this.say('run-started', { run: run.id, roster: plan.participants, witnessKeys });
    return run;
  }

  get head(): SignedHead {
    return signHead('tallystick/bench', this.tree.size, this.tree.root(), this.logSeed);
  }

  open(run: Run, question: Payload<'open-round'>['question'], metrics: Record<string, number>): string {
    if (run.phase.name !== 'ready') throw new Error(run.phase.name);
    const { parent, round, attempt } = run.phase;
    const times = { deadlineAt: FAR, head: this.head };
    return this.say('open-round', { run: run.id, parent, round, attempt, question, metrics, ...times });
  }

  close(run: Run, ctx: string, sumRoot: string): void {
    if (run.phase.name !== 'collecting') throw new Error(run.phase.name);
    const { open } = run.phase;
    this.say('close-round', {
      ctx,
      survivors: survivorsOf(open),
      survivorsHash: survivorsHash(open),
      sumRoot,
    });
  }

  /** All rounds, with vectors of small numbers that differ from bank to bank and from round to round, and the end under all witnesses. */
  train(plan: Plan, contract: DataContract, keep: (root: string, bytes: Uint8Array) => void): number {
    keep(contractHash(contract), contractBytes(contract));
    const run = this.start(plan);
    const machine = new RunMachine(plan, contract, plan.participants.length);
    let rounds = 0;
    for (; machine.asked !== undefined; rounds++) {
      const { question, hash, length } = machine.asked;
      const { kind, ring } = question;
      const ctx = this.open(run, { kind, hash, ring, length }, { ...machine.metrics });
      const sum = createWords(ring, length);
      plan.participants.forEach((from, i) => {
        const words = createWords(ring, length);
        for (let w = 0; w < length; w++)
          words[w] =
            words instanceof Uint32Array
              ? (Math.imul(w + 1, 0x9e3779b1 + 97 * rounds + 2 * i) >>> 20) & 7
              : 1n;
        words[0] = words instanceof Uint32Array ? 1 : 1n;
        const root = vectorRoot(words);
        keep(root, bytesOf(words));
        this.say('plain-input', { ctx, from, ring, length, vectorRoot: root }, from);
        addInto(sum, words);
      });
      const sumRoot = vectorRoot(sum);
      keep(sumRoot, bytesOf(sum));
      this.close(run, ctx, sumRoot);
      machine.next(sum, plan.participants.length, sumRoot);
    }
    this.end(run, machine, keep);
    return rounds;
  }

  private end(run: Run, machine: RunMachine, keep: (root: string, bytes: Uint8Array) => void): void {
    const { head } = this;
    const checkpoint = this.say('checkpoint', { run: run.id, parent: lastHash(run), head });
    for (const from of run.roster) {
      const signature = signCosignature(
        { origin: 'tallystick/bench', ...head },
        1,
        seedOf(`${from} witness`),
      );
      this.say('cosign', { checkpoint, from, time: 1, signature }, from);
    }
    const { artefact, root, reason } = machine.finished!;
    keep(root, artefact);
    this.say('run-finished', {
      ...{ run: run.id, parent: lastHash(run), checkpoint, outcome: 'completed', reason },
      ...{ artefact: root, metrics: { ...machine.metrics } },
    });
  }

  say<Type extends MessageType>(type: Type, payload: Payload<Type>, author = 'coordinator'): string {
    const message = (
      this.isSigned || author === 'coordinator'
        ? signMessage(type, payload, seedOf(author))
        : { type, payload, sig: 'A'.repeat(86) }
    ) as Message;
    const recorded = recordEntry({
      seq: this.state.size,
      time: 1_800_000_000_000 + this.state.size,
      message,
    });
    apply(this.state, recorded);
    this.tree.append(recorded.leaf);
    this.onEntry(recorded);
    return recorded.hash;
  }
}
