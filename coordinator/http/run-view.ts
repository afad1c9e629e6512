/** A run as the REST API shows it: the fold of the ledger in JSON. */
import { z } from 'zod';
import type { Run } from '#shared/ledger/federation-state.ts';
import { waitingOf } from '#shared/ledger/waiting.ts';
import { hash, participantId, runId, timeMs } from '#shared/protocol/ids.ts';
import { metrics } from '#shared/protocol/payloads/fields.ts';
import { plan } from '#shared/protocol/plan.ts';

const roundView = z.strictObject({
  round: z.int(),
  attempt: z.int(),
  kind: z.string(),
  outcome: z.enum(['collecting', 'closed', 'void']),
  openedAt: timeMs,
  endedAt: timeMs.optional(),
  deadlineAt: timeMs,
  /** Banks whose update was accepted. */
  answered: z.array(participantId),
  refused: z.array(z.strictObject({ participant: participantId, code: z.string(), reason: z.string() })),
  sumRoot: hash.optional(),
  /** What the sum before this question showed. */
  metrics,
});

export const runView = z
  .strictObject({
    run: runId,
    name: z.string(),
    phase: z.enum(['proposed', 'ready', 'collecting', 'finished']),
    proposedAt: timeMs,
    consents: z.array(
      z.strictObject({
        participant: participantId,
        decision: z.enum(['granted', 'refused', 'pending']),
        reason: z.string(),
      }),
    ),
    roster: z.array(participantId),
    rounds: z.array(roundView),
    result: z
      .strictObject({
        outcome: z.enum(['completed', 'stopped', 'failed']),
        at: timeMs,
        code: z.string().optional(),
        reason: z.string(),
        artefact: hash.optional(),
        metrics,
      })
      .optional(),
    /** Whom it waits for, if for anybody. */
    waiting: z
      .strictObject({
        what: z.enum(['consent', 'keys', 'updates', 'certificates', 'shares', 'cosignatures']),
        banks: z.array(participantId),
        needed: z.int(),
        since: timeMs.optional(),
      })
      .optional(),
    plan,
  })
  .meta({ id: 'Run' });
export type RunView = z.infer<typeof runView>;

export function viewRun(run: Run): RunView {
  const { phase } = run;
  const open = phase.name === 'collecting' ? [{ open: phase.open }] : [];
  const rounds = [...run.past, ...open].map((past) => {
    const { payload, openedAt, inputs, refusals } = past.open;
    const end = 'end' in past ? past.end : undefined;
    return {
      round: payload.round,
      attempt: payload.attempt,
      kind: payload.question.kind,
      outcome: end?.outcome ?? ('collecting' as const),
      openedAt,
      ...('endedAt' in past ? { endedAt: past.endedAt } : {}),
      deadlineAt: payload.deadlineAt,
      answered: [...inputs.keys()].sort((a, b) => a - b).map((index) => past.open.roster[index]!),
      refused: [...refusals].map(([index, refusal]) => ({
        participant: past.open.roster[index]!,
        ...refusal,
      })),
      ...(end?.outcome === 'closed' ? { sumRoot: end.payload.sumRoot } : {}),
      metrics: payload.metrics,
    };
  });
  return {
    run: run.id,
    name: run.plan.name,
    phase: phase.name,
    proposedAt: run.proposedAt,
    consents: run.plan.participants.map((participant) => {
      const consent = run.consents.get(participant);
      return {
        participant,
        decision: consent?.decision ?? ('pending' as const),
        reason: consent?.reason ?? '',
      };
    }),
    roster: [...run.roster],
    rounds,
    ...(phase.name === 'finished' ? { result: viewResult(phase) } : {}),
    ...viewWaiting(run),
    plan: run.plan,
  };
}

function viewWaiting(run: Run): Pick<RunView, 'waiting'> {
  const waiting = waitingOf(run);
  if (waiting === undefined) return {};
  const { since, banks, ...rest } = waiting;
  return { waiting: { ...rest, banks: [...banks], ...(since === undefined ? {} : { since }) } };
}

function viewResult(phase: Extract<Run['phase'], { name: 'finished' }>): NonNullable<RunView['result']> {
  const { outcome, code, reason, artefact, metrics: figures } = phase.result;
  return {
    outcome,
    at: phase.at,
    ...(code === undefined ? {} : { code }),
    reason,
    ...(artefact === undefined ? {} : { artefact }),
    metrics: figures,
  };
}
