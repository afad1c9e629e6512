/**
 * `audit verify`: everything that can be checked of a ledger without its operator, from a bundle and the charter
 * that the auditor trusts. Runs wherever JavaScript runs; needs no network, no clock and no files.
 *
 *   structure → entries, signatures, rules, heads → bodies → sums → questions and models → older heads
 */
import { verifyRuns, type Extent, type RunVerdict } from '#models/audit/verify-runs.ts';
import { toHex } from '#shared/crypto/hash.ts';
import { openBundle, type Bundle, type BundleSource } from '#shared/ledger/bundle.ts';
import { openCheckpointOf } from '#shared/ledger/checkpoint.ts';
import { isOf, membersOf, type Member } from '#shared/ledger/members.ts';
import { asFinding, verifyHistory, type Finding, type History } from '#shared/ledger/verify-history.ts';
import { describeError } from '#shared/protocol/error-codes.ts';
import { range, SeededGenerator } from '#shared/random/seeded-generator.ts';
import { RootHasher } from '#shared/ring/vector-root.ts';

export interface AuditOptions {
  /** Hash of the charter, from the invitation or the consortium agreement; never from the bundle. */
  readonly charter: string;
  /** False: entries and heads only. */
  readonly bodies?: boolean;
  /** Recompute the sums of so many rounds only, drawn by a seed the operator could not know. */
  readonly sample?: { readonly rounds: number; readonly seed: string } | undefined;
  /** Fingerprints of banks that the auditor has from the banks themselves, by id. */
  readonly banks?: ReadonlyMap<string, string>;
  /** Notes of this ledger that the auditor holds from elsewhere: from banks, or from the last audit. */
  readonly against?: readonly string[];
  /** Fraction of the rounds done, 0 to 1. */
  readonly onProgress?: (fraction: number) => void;
}

export interface AuditReport {
  readonly passed: boolean;
  /** False when something could not be checked, or was asked not to be. */
  readonly complete: boolean;
  readonly charter: string;
  readonly consortium: string | undefined;
  readonly entries: number;
  /** Entries of which the bundle shows only the hash. */
  readonly hidden: number;
  readonly root: string;
  readonly bodies: number;
  /** Older heads that this ledger was shown to extend. */
  readonly extendsHeads: number;
  readonly findings: readonly Finding[];
  readonly runs: readonly RunVerdict[];
  /** Who they are is the operator's word, unless their fingerprints are compared with the banks themselves. */
  readonly members: readonly Member[];
  /** What was not checked, as sentences. */
  readonly notChecked: readonly string[];
}

/** @throws nothing that is in the bundle: what is wrong with it is a finding */
export async function verifyBundle(source: BundleSource, options: AuditOptions): Promise<AuditReport> {
  let bundle: Bundle;
  try {
    bundle = await openBundle(source);
  } catch (error) {
    return { ...EMPTY, charter: options.charter, findings: [asFinding(error)] };
  }
  const history = await verifyHistory(bundle.entries(), bundle.note, options.charter);
  const findings = [...history.findings];
  const notChecked: string[] = [];
  let runs: RunVerdict[] = [];
  let extendsHeads = 0;
  if (findings.length === 0) {
    const against = checkAgainst(history, options.against ?? []);
    findings.push(...against);
    findings.push(...strangersAmong(membersOf(history.state), options.banks ?? new Map<string, string>()));
    extendsHeads = (options.against?.length ?? 0) - against.length;
    // nobody can tell what they are: an operator may hide what another entry of a shown run would have to fit
    if (history.hidden > 0)
      notChecked.push(
        `${history.hidden} entries are only there as hashes: what they say was not read, nor whether it is about the runs that are shown`,
      );
    findings.push(...unasked(bundle, history));
    if (options.bodies === false) {
      notChecked.push('bodies were left out: no sum, question or model was recomputed');
    } else {
      const seen = new Set<string>();
      const take = (root: string): AsyncIterable<Uint8Array> | undefined => {
        const pieces = bundle.body(root);
        return pieces && marking(pieces, () => seen.add(root));
      };
      runs = await verifyRuns(history.state, take, extentOf(history, options));
      if (history.hidden > 0) runs = runs.map(maybeNotWhole);
      const altered = await hashRest(bundle, seen, history);
      findings.push(...altered.filter(({ run }) => run === undefined).map(({ finding }) => finding));
      runs = runs.map((verdict) => ({
        ...verdict,
        findings: [
          ...verdict.findings,
          ...altered.filter(({ run }) => run === verdict.run).map(({ finding }) => finding),
        ],
      }));
      notChecked.push(...missing(bundle, history));
    }
  }
  const passed = findings.length === 0 && runs.every((run) => run.findings.length === 0);
  return {
    passed,
    complete: notChecked.length === 0 && runs.every((run) => run.notChecked.length === 0),
    charter: options.charter,
    consortium: history.state.charter?.payload.consortium,
    entries: history.size,
    hidden: history.hidden,
    root: history.root,
    bodies: bundle.bodies.size,
    extendsHeads,
    findings,
    runs,
    members: membersOf(history.state),
    notChecked,
  };
}

/** A run that seems to be open, in a bundle that hides entries, may have gone on in them. */
function maybeNotWhole(run: RunVerdict): RunVerdict {
  if (run.outcome !== 'open') return run;
  const sentence = 'the run has no end here: it may be among the entries that are not shown';
  return { ...run, notChecked: [...run.notChecked, sentence] };
}

/** Marks a body when it is read, which is when its root is checked. */
async function* marking(pieces: AsyncIterable<Uint8Array>, mark: () => void): AsyncGenerator<Uint8Array> {
  mark();
  yield* pieces;
}

const EMPTY = {
  ...{ passed: false, complete: false, consortium: undefined, entries: 0, hidden: 0, root: '', bodies: 0 },
  ...{ extendsHeads: 0, runs: [], members: [], notChecked: [] },
};

/** Does this ledger extend the heads the auditor holds? */
function checkAgainst({ state, tree }: History, notes: readonly string[]): Finding[] {
  const { origin } = state.charter!.payload;
  return notes.flatMap((note): Finding[] => {
    try {
      const { size, root } = openCheckpointOf(note, origin, state.logKeys);
      if (size > tree.size)
        return [{ code: 'ROLLBACK', message: `an older head has ${size} entries, this ledger ${tree.size}` }];
      if (toHex(tree.root(size)) === root) return [];
      return [{ code: 'FORK', message: `this ledger is not the one of the older head of ${size} entries` }];
    } catch (error) {
      const { code } = asFinding(error);
      return [{ code, message: `an older note: ${describeError(error)}` }];
    }
  });
}

/** Banks whose keys are not those that the auditor expects. */
function strangersAmong(members: readonly Member[], banks: ReadonlyMap<string, string>): Finding[] {
  return [...banks].flatMap(([id, fingerprint]): Finding[] => {
    const member = members.find((one) => one.id === id);
    if (member === undefined) return [{ code: 'NOT_FOUND', message: `no bank "${id}" has enrolled` }];
    if (isOf(member, fingerprint)) return [];
    return [
      {
        code: 'FORBIDDEN',
        message: `"${id}" has signed with the key ${member.fingerprint}, not with the one expected: somebody else spoke in its name`,
      },
    ];
  });
}

/** Bodies that no entry names have no business in the bundle. */
function unasked(bundle: Bundle, history: History): Finding[] {
  return [...bundle.bodies]
    .filter((root) => !history.bodies.has(root))
    .map((root) => ({ code: 'BUNDLE', message: `no entry names the body ${root}` }) as const);
}

/** Bodies that no recomputation needs: of void rounds, encrypted shares. */
async function hashRest(
  bundle: Bundle,
  seen: ReadonlySet<string>,
  { state }: History,
): Promise<{ run: string | undefined; finding: Finding }[]> {
  const findings: { run: string | undefined; finding: Finding }[] = [];
  for (const root of bundle.bodies) {
    if (seen.has(root)) continue;
    const hasher = new RootHasher();
    for await (const piece of bundle.body(root)!) hasher.update(piece);
    const found = hasher.root();
    if (found === root) continue;
    const of = [...state.runs.values()].find(
      ({ phase, plan }) =>
        (phase.name === 'finished' && phase.result.artefact === root) || plan.contract === root,
    );
    const what =
      of === undefined
        ? `the body ${root}`
        : `the ${of.plan.contract === root ? 'contract' : 'model'} of run "${of.plan.name}"`;
    const message = `${what} has been altered: expected bytes that hash to ${root}, these hash to ${found}`;
    findings.push({ run: of?.id, finding: { code: 'VECROOT', message } });
  }
  return findings;
}

/** Bodies that are named and not there, other than those a run's verdict speaks of. */
function missing(bundle: Bundle, { bodies, state }: History): string[] {
  const count = (kind: string): number =>
    [...bodies.values()].filter((body) => body.kind === kind && !bundle.bodies.has(body.root)).length;
  const isExpired = [...state.runs.values()].some(({ expiredAt }) => expiredAt !== undefined);
  const shares = count('shares');
  return shares === 0
    ? []
    : [`${shares} tables of encrypted shares are not here${isExpired ? ' (expired)' : ''}`];
}

function extentOf({ state }: History, { sample, onProgress }: AuditOptions): Extent {
  const closed = [...state.runs.values()].flatMap(({ past }) =>
    past.filter(({ end }) => end.outcome === 'closed'),
  );
  const drawn =
    sample === undefined
      ? undefined
      : new Set(
          [...new SeededGenerator('audit', sample.seed).shuffle(range(closed.length))]
            .slice(0, sample.rounds)
            .map((index) => closed[index]!),
        );
  let done = 0;
  return {
    isWanted: (_run, past) => drawn?.has(past) ?? true,
    onRound: () => onProgress?.(++done / closed.length),
  };
}
