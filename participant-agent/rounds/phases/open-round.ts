/**
 * A question: is it the one that follows from the last sum? Then answer, sign, upload, submit. A signed answer that
 * took a while is kept before it is sent, so that a restart sends the same bytes again.
 */
import { submitMessage, type AgentContext } from '#participant-agent/rounds/agent-context.ts';
import { sendWithBody } from '#participant-agent/rounds/send-with-body.ts';
import { objectionsTo } from '#participant-agent/policy/policy.ts';
import type { Position, RunComputer } from '#participant-agent/training/run-computer.ts';
import { canonicalJson } from '#shared/crypto/canonical-json.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { isOpen, type OpenRound, type Run } from '#shared/ledger/federation-state.ts';
import { describeError, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { asSentence } from '#shared/protocol/foreign-text.ts';
import type { BankMessage } from '#shared/protocol/messages.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';
import type { Progress } from '#shared/protocol/socket-events.ts';

/** What a masked round adds to an answer. */
export interface Masking {
  prepareAnswer(open: OpenRound): Promise<Mask[]>;
  signInput(open: OpenRound, vectorRoot: string): Promise<BankMessage>;
  /** The vector as it leaves, valid until the next answer. */
  keepVector(open: OpenRound, bytes: Uint8Array): void;
}

/** An answer that took less time than this is made again after a crash: the same rows and seeds give the same bytes. */
const KEEP_ABOVE_MS = 500;

export async function answerRound(
  run: Run,
  open: OpenRound,
  position: Position,
  computer: RunComputer,
  context: AgentContext,
  masking?: Masking,
): Promise<void> {
  const { round } = open.payload;
  const report = (stage: Progress['stage'], fraction: number): void =>
    context.connection.progress({ run: run.id, round, stage, fraction });
  const earlier = await context.state.answerFor(open.hash);
  const started = context.clock.now();
  const { message, body } =
    earlier ?? (await makeAnswer(run, open, position, computer, context, report, masking));
  // A large body may travel while it is being kept; the message that names it leaves only after both.
  const worthKeeping = body === undefined || context.clock.now() - started > KEEP_ABOVE_MS;
  const kept =
    earlier === undefined && worthKeeping
      ? context.state.keepAnswer(open.hash, message, body)
      : Promise.resolve();
  const { question } = open.payload;
  const about = {
    run: run.id,
    round,
    detail: message.type === 'refuse-round' ? message.payload.reason : `answer to ${question.kind}`,
  };
  if (body !== undefined && 'vectorRoot' in message.payload) {
    masking?.keepVector(open, body);
    report('uploading', 0);
    const root = message.payload.vectorRoot;
    const detail = `${question.kind} answer, ${run.plan.aggregation}, root ${root.slice(0, 16)}…`;
    await sendWithBody(
      context,
      { root, bytes: body, about: { ...about, detail } },
      message,
      about,
      () => isOpen(run, open),
      kept,
    );
  } else {
    await kept;
    await submitMessage(context, message, about);
  }
  context.connection.endProgress(run.id);
}

async function makeAnswer(
  run: Run,
  open: OpenRound,
  position: Position,
  computer: RunComputer,
  context: AgentContext,
  report: (stage: Progress['stage'], fraction: number) => void,
  masking: Masking | undefined,
): Promise<{ message: BankMessage; body: Uint8Array | undefined }> {
  const { config, seed, log } = context;
  const from = config.participant;
  try {
    assertFollows(run, open, position, context);
    report('answering', 0);
    const masks = (await masking?.prepareAnswer(open)) ?? [];
    const { ring, length } = open.payload.question;
    // rounding is seeded by the plan, not by when: the same rows and seed give the same bits in every run
    const roundingSeed = `${run.plan.seed}/${open.payload.round}/${from}`;
    const { body, root } = await computer.answer(roundingSeed, masks, (fraction) =>
      report('answering', fraction),
    );
    const message =
      masking === undefined
        ? signMessage('plain-input', { ctx: open.hash, from, ring, length, vectorRoot: root }, seed)
        : await masking.signInput(open, root);
    return { message, body };
  } catch (error) {
    const code: ErrorCode = error instanceof FederationError ? error.code : 'INTERNAL';
    if (code === 'STOPPED') throw error;
    const reason = asSentence(describeError(error));
    log.error({ run: run.id, round: open.payload.round, code }, `refusing the round: ${reason}`);
    const message = signMessage(
      'refuse-round',
      { ctx: open.hash, from, code, reason: refusalFor(code, reason) },
      seed,
    );
    return { message, body: undefined };
  }
}

/** For an agent that cannot go on with a run: nobody should wait for it. */
export async function refuseRound(
  run: Run,
  open: OpenRound,
  code: ErrorCode,
  context: AgentContext,
): Promise<void> {
  const from = context.config.participant;
  const reason = `the agent has left the run (${code})`;
  const message = signMessage('refuse-round', { ctx: open.hash, from, code, reason }, context.seed);
  await submitMessage(context, message, { run: run.id, round: open.payload.round, detail: reason });
}

/**
 * A coordinator cannot slip this bank another question than the one its own recomputation arrives at.
 * @throws FederationError LINEAGE | POLICY
 */
function assertFollows(run: Run, open: OpenRound, position: Position, { policy }: AgentContext): void {
  const asked = open.payload.question;
  const expected = position.question;
  if (
    expected === undefined ||
    asked.hash !== expected.hash ||
    asked.ring !== expected.ring ||
    asked.length !== expected.length ||
    canonicalJson(open.payload.metrics) !== canonicalJson(position.metrics)
  ) {
    throw new FederationError(
      'LINEAGE',
      `round ${open.payload.round} asks ${asked.hash.slice(0, 16)}…, but the last sum leads to ${expected?.hash.slice(0, 16) ?? 'the end of the program'}…`,
    );
  }
  // it may have been changed since the bank consented
  const objections = objectionsTo(run.plan, policy);
  if (objections.length > 0) throw new FederationError('POLICY', objections.join('; '));
  if (open.roster.length < policy.minimumCohort) {
    throw new FederationError(
      'POLICY',
      `${open.roster.length} banks take part, this bank requires ${policy.minimumCohort}`,
    );
  }
  if (open.payload.round >= policy.maximumRounds) {
    throw new FederationError(
      'POLICY',
      `this bank takes part in at most ${policy.maximumRounds} rounds of a run`,
    );
  }
}

const OWN_WORDS: ReadonlySet<ErrorCode> = new Set(['LINEAGE', 'POLICY', 'EQUIVOCATION', 'REPLAY', 'VECROOT']);

/** What others may read: the sentences we wrote ourselves, never an engine's own words. */
function refusalFor(code: ErrorCode, reason: string): string {
  return OWN_WORDS.has(code) ? reason : `the agent could not answer (${code})`;
}
