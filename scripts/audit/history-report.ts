/** A history as people ask about it: runs and their rounds, the evidence of one round, what one bank signed. */
import type { CheckedHistory, ShownEntry } from '#scripts/audit/read-history.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { bodyNamedBy } from '#shared/ledger/bodies-named.ts';
import type { OpenRound, PastRound, Run } from '#shared/ledger/federation-state.ts';
import { isIncluded } from '#shared/ledger/merkle-tree.ts';
import { survivorsOf } from '#shared/ledger/rounds.ts';
import { isBankMessage, type Message } from '#shared/protocol/messages.ts';

export interface RoundLine {
  readonly round: number;
  readonly attempt: number;
  readonly kind: string;
  readonly outcome: 'open' | 'closed' | 'void';
  /** Why it is void. */
  readonly code: string | undefined;
  readonly openedAt: number;
  readonly seconds: number | undefined;
  readonly answered: readonly string[];
  readonly missing: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly sumRoot: string | undefined;
}

export interface RunReport {
  readonly run: string;
  readonly name: string;
  readonly program: string;
  readonly aggregation: string;
  readonly contract: string;
  readonly proposedAt: number;
  readonly consents: readonly {
    readonly bank: string;
    readonly decision: string;
    readonly reason: string;
    readonly at: number;
  }[];
  readonly roster: readonly string[];
  readonly rounds: readonly RoundLine[];
  readonly blamed: readonly { readonly bank: string; readonly code: string }[];
  readonly outcome: string;
  readonly reason: string | undefined;
  readonly model: string | undefined;
  /** Who cosigned the ledger at its end. */
  readonly cosigned: readonly string[];
  /** Since when its bodies may be gone. */
  readonly expiredAt: number | undefined;
}

export interface OperatorAct {
  readonly seq: number;
  readonly at: number;
  readonly what: string;
  /** Name of the operator's token, as the coordinator says. */
  readonly by: string;
}

/** What operators had the coordinator do, in order. */
export function operatorActs({ entries }: CheckedHistory): OperatorAct[] {
  return entries.flatMap(({ recorded: { entry } }) => {
    const { message, seq, time: at } = entry;
    const { by } = message.payload as { by?: string };
    return by === undefined ? [] : [{ seq, at, what: actOf(message), by }];
  });
}

function actOf(message: Message): string {
  const { type } = message;
  switch (type) {
    case 'invite':
    case 'admit':
    case 'revoke':
      return `${type} ${message.payload.participant}`;
    case 'run-proposed':
      return `propose ${message.payload.plan.name}`;
    case 'run-started':
      return `start ${message.payload.run.slice(0, 12)} early`;
    case 'run-finished':
      return `stop ${message.payload.run.slice(0, 12)}`;
    case 'retention':
      return `expire ${message.payload.runs.length} runs`;
    case 'token':
      return `token ${message.payload.name} (${message.payload.role}) ${message.payload.change}`;
    default:
      return type;
  }
}

export function reportRun(run: Run): RunReport {
  const { plan, phase, checkpoint } = run;
  const result = phase.name === 'finished' ? phase.result : undefined;
  const open = phase.name === 'collecting' ? [lineOf(phase.open, undefined)] : [];
  return {
    run: run.id,
    name: plan.name,
    program: plan.program.name,
    aggregation: plan.aggregation,
    contract: plan.contract,
    proposedAt: run.proposedAt,
    consents: [...run.consents].map(([bank, consent]) => ({ bank, ...consent })),
    roster: run.roster,
    rounds: [...run.past.map((past) => lineOf(past.open, past)), ...open],
    blamed: [...run.culprits].map(([bank, code]) => ({ bank, code })),
    outcome: result?.outcome ?? phase.name,
    reason: result?.reason,
    model: result?.artefact,
    cosigned: [...(checkpoint?.cosignatures.keys() ?? [])].sort((a, b) => a - b).map((i) => run.roster[i]!),
    expiredAt: run.expiredAt,
  };
}

function lineOf(open: OpenRound, past: PastRound | undefined): RoundLine {
  const { round, attempt, question, metrics } = open.payload;
  const answered = survivorsOf(open).map((index) => open.roster[index]!);
  return {
    ...{ round, attempt, kind: question.kind, metrics, answered },
    outcome: past?.end.outcome ?? 'open',
    code: past?.end.outcome === 'void' ? past.end.payload.code : undefined,
    openedAt: open.openedAt,
    seconds: past === undefined ? undefined : (past.endedAt - open.openedAt) / 1000,
    missing: open.roster.filter((id) => !answered.includes(id)),
    sumRoot: past?.end.outcome === 'closed' ? past.end.payload.sumRoot : undefined,
  };
}

/** One entry with what shows that it is in the ledger. */
export interface ProvenEntry {
  readonly seq: number;
  readonly time: number;
  readonly type: string;
  readonly from: string;
  /** How later messages refer to it. */
  readonly hash: string;
  readonly body: string | undefined;
  readonly leaf: string;
  /** RFC 6962 inclusion proof in the tree of the bundle's head, hex. */
  readonly proof: readonly string[];
  readonly included: boolean;
  /** What became of it. */
  readonly use: string;
}

/** Everything that was said about one question, in order: every attempt. */
export function reportRound(checked: CheckedHistory, run: Run, round: number): ProvenEntry[] {
  const opens = checked.entries.filter(
    ({ recorded: { entry }, run: of }) =>
      of === run.id && entry.message.type === 'open-round' && entry.message.payload.round === round,
  );
  const hashes = new Set(opens.map(({ recorded }) => recorded.hash));
  return checked.entries
    .filter(({ recorded: { entry, hash } }) => {
      const { payload } = entry.message;
      return hashes.has(hash) || ('ctx' in payload && hashes.has(payload.ctx));
    })
    .map((shown) => prove(checked, shown));
}

/** Everything that one bank has signed, and what it was used for. */
export function reportBank(checked: CheckedHistory, bank: string, run: string | undefined): ProvenEntry[] {
  return checked.entries
    .filter(
      ({ recorded: { entry }, run: of }) =>
        senderOf(entry.message) === bank && (run === undefined || of === run),
    )
    .map((shown) => prove(checked, shown));
}

function senderOf(message: Message): string {
  return isBankMessage(message) ? message.payload.from : 'coordinator';
}

function prove({ history }: CheckedHistory, { recorded }: ShownEntry): ProvenEntry {
  const { entry, hash, leaf } = recorded;
  const { tree } = history;
  const proof = tree.inclusionProof(entry.seq);
  return {
    ...{ seq: entry.seq, time: entry.time, type: entry.message.type, from: senderOf(entry.message), hash },
    body: bodyNamedBy(entry.message)?.root,
    leaf: toHex(leaf),
    proof: proof.map(toHex),
    included: isIncluded(leaf, entry.seq, tree.size, proof, tree.root()),
    use: useOf(entry.message, history),
  };
}

/** What became of a message, as a sentence. */
function useOf(message: Message, { state }: CheckedHistory['history']): string {
  const { payload } = message;
  if ('ctx' in payload) {
    const run = state.runs.get(state.roundRuns.get(payload.ctx)!)!;
    const past = run.past.find(({ open }) => open.hash === payload.ctx);
    const round = past?.open.payload.round;
    if (past === undefined) return 'its round was cut short';
    const isVector = message.type === 'plain-input' || message.type === 'masked-input';
    if (past.end.outcome === 'void') return `round ${round}, which gave no sum`;
    if (!isVector) return `round ${round}`;
    const index = past.open.roster.indexOf(message.payload.from);
    return past.end.payload.survivors.includes(index)
      ? `round ${round}: in the sum ${past.end.payload.sumRoot.slice(0, 12)}`
      : `round ${round}: not in the sum`;
  }
  switch (message.type) {
    case 'consent':
      return `${payload && message.payload.decision} for run ${message.payload.run.slice(0, 12)}`;
    case 'cosign':
      return `the ledger up to the end of run ${state.checkpointRuns.get(message.payload.checkpoint)!.slice(0, 12)}`;
    case 'advertise-keys':
    case 'share-keys':
    case 'complain':
      return `keys for run ${state.sessionRuns.get(message.payload.session)!.slice(0, 12)}`;
    case 'enrol':
      return 'membership';
    case 'rotate-key':
      return 'new keys';
    default:
      return '';
  }
}
