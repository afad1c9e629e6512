/**
 * Draws a run on a terminal: a few lines that are rewritten in place; without a terminal, one line for each
 * thing that happens.
 */
import { paint } from '#scripts/commands/output.ts';
import { clip } from '#scripts/commands/text-width.ts';
import type { RunTally } from '#scripts/operator/run-tally.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import type { ParticipantId } from '#shared/protocol/ids.ts';
import { waitingOf } from '#shared/ledger/waiting.ts';
import { durationInWords, waitingInWords } from '#scripts/operator/run-words.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const BAR_WIDTH = 12;
/** Without a terminal. */
const SAY_EVERY_MS = 3000;

/** One character a value, at most `width` of the newest, scaled between their extremes. */
export function sparkline(values: readonly number[], width = 40): string {
  const shown = values.slice(-width);
  const low = Math.min(...shown);
  const span = Math.max(...shown) - low;
  return shown.map((v) => BARS[span === 0 ? 0 : Math.min(7, Math.floor(((v - low) / span) * 8))]).join('');
}

export class RunScreen {
  private readonly out: NodeJS.WriteStream;
  private readonly live: boolean;
  private drawn = 0;
  private lastLine = '';
  private saidAt = -Infinity;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.out = out;
    this.live = out.isTTY && process.env['TERM'] !== 'dumb';
  }

  draw(tally: RunTally): void {
    const { run } = tally;
    if (run === undefined) return;
    if (this.live) this.rewrite(this.lines(run, tally));
    else this.sayInTime(run, tally);
  }

  /** Leaves what is drawn where it is. */
  end(): void {
    this.drawn = 0;
  }

  private rewrite(lines: string[]): void {
    const columns = this.out.columns || 80;
    const up = this.drawn === 0 ? '' : `\u001b[${this.drawn}A`;
    this.out.write(`${up}${lines.map((line) => `\u001b[2K${clip(line, columns - 1)}\n`).join('')}`);
    this.drawn = lines.length;
  }

  /** What is over and what comes next at once; of what goes on, a line every few seconds. */
  private sayInTime(run: Run, tally: RunTally): void {
    const now = performance.now();
    if (run.phase.name === 'collecting' && now - this.saidAt < SAY_EVERY_MS) return;
    if (run.phase.name === 'collecting') this.saidAt = now;
    this.say(oneLine(run, tally));
  }

  private say(line: string): void {
    if (line === '' || line === this.lastLine) return;
    this.lastLine = line;
    this.out.write(`${line}\n`);
  }

  private lines(run: Run, tally: RunTally): string[] {
    const aucs = tally.series('auc');
    const head = `${paint('bold', inert(run.plan.name), this.out)}  ${headline(run)}`;
    const metric =
      aucs.length === 0
        ? ''
        : `hold-out AUC ${aucs.at(-1)!.toFixed(4)}  ${paint('cyan', sparkline(aucs), this.out)}`;
    const ids = run.roster.length > 0 ? run.roster : run.plan.participants;
    const width = Math.max(...ids.map((id) => id.length));
    return [
      head,
      metric,
      ...ids.map((id, index) => `  ${id.padEnd(width)}  ${this.bank(run, index, id, tally)}`),
    ];
  }

  private bank(run: Run, index: number, id: string, tally: RunTally): string {
    if (run.phase.name === 'finished') {
      const consent = run.consents.get(id as ParticipantId);
      return consent?.decision === 'refused' ? `refused: ${inert(consent.reason)}` : '';
    }
    if (!tally.connected.has(id)) return paint('yellow', '○ not connected', this.out);
    if (run.phase.name === 'proposed') {
      const decision = run.consents.get(run.plan.participants[index]!)?.decision;
      return decision === undefined ? '… has not decided' : `consent ${decision}`;
    }
    if (run.phase.name !== 'collecting') return dealingOf(run, id);
    const { open } = run.phase;
    index = open.roster.indexOf(id as ParticipantId);
    if (index < 0) return 'takes part from the next keys on';
    if (open.refusals.has(index))
      return paint('red', `✗ refused (${open.refusals.get(index)!.code})`, this.out);
    if (open.inputs.has(index)) {
      const { masked } = open;
      const step = masked?.unmasks.has(index)
        ? 'shares revealed'
        : masked?.certificates.has(index)
          ? 'agreed on who is in the sum'
          : `${masked === undefined ? '' : 'masked '}update accepted`;
      return paint('green', `${'━'.repeat(BAR_WIDTH)} ${step}`, this.out);
    }
    const last = tally.progress.get(id);
    const report = last?.round === open.payload.round ? last : undefined;
    const filled = Math.round((report?.fraction ?? 0) * BAR_WIDTH);
    return `${'━'.repeat(filled)}${'─'.repeat(BAR_WIDTH - filled)} ${inert(report?.stage ?? 'waiting')}`;
  }
}

/** Where the run stands, in a few words. */
function headline(run: Run): string {
  const { phase } = run;
  switch (phase.name) {
    case 'proposed':
      return `waiting for consent: ${run.consents.size} of ${run.plan.participants.length} banks have decided`;
    case 'ready': {
      const waiting = waitingOf(run);
      return waiting === undefined ? `round ${phase.round}` : waitingInWords(waiting);
    }
    case 'collecting': {
      const { round, attempt, question } = phase.open.payload;
      return `${stepInWords(run, round)}${attempt > 0 ? ` (attempt ${attempt + 1})` : ''} · ${question.kind} · ${phase.open.inputs.size} of ${run.roster.length} updates`;
    }
    case 'finished':
      return `${phase.result.outcome}: ${inert(phase.result.reason)}`;
  }
}

/** For logs and pipes: a line when a round closes, not for every update. */
function oneLine(run: Run, tally: RunTally): string {
  const auc = tally.series('auc').at(-1);
  const shown = auc === undefined ? '' : `  hold-out AUC ${auc.toFixed(4)}`;
  if (run.phase.name === 'collecting') {
    const { round } = run.phase.open.payload;
    return `${stepInWords(run, round)} · ${run.roster.length} banks${shown}${remainingInWords(run)}`;
  }
  return run.phase.name === 'ready' ? '' : headline(run);
}

/** While keys are dealt: how far a bank is. */
function dealingOf({ session }: Run, id: string): string {
  if (session === undefined || session.sealed !== undefined || session.isVoid) return '';
  const index = session.payload.participants.indexOf(id as ParticipantId);
  if (session.dealt.has(index)) return 'key shares dealt';
  return session.advertised.has(index) ? 'keys advertised' : '… making keys';
}

/** "tree 37 of at most 100" where the plan says how many there are, else the number of the round. */
function stepInWords(run: Run, round: number): string {
  const steps = stepsOf(run);
  return steps === undefined ? `round ${round}` : `${steps.word} ${steps.done} of at most ${steps.most}`;
}

/** Trees of an ensemble, training rounds of a network; other programs stop by themselves. */
function stepsOf({ plan, past }: Run): { word: string; done: number; most: number } | undefined {
  const settings = plan.program.settings as { trees?: unknown; stop?: { rounds?: unknown } };
  const closed = past.filter(({ end }) => end.outcome === 'closed').map(({ open }) => open.payload);
  const { trees, stop } = settings;
  if (plan.program.name === 'gbdt' && typeof trees === 'number') {
    const done = closed.findLast(({ metrics }) => metrics['trees'] !== undefined)?.metrics['trees'] ?? 0;
    return { word: 'tree', done: Math.min(done + 1, trees), most: trees };
  }
  if (plan.program.name === 'fedavg' && typeof stop?.rounds === 'number') {
    const done = closed.filter(({ question }) => question.kind === 'train').length;
    return { word: 'training round', done: Math.min(done + 1, stop.rounds), most: stop.rounds };
  }
  return undefined;
}

/** By the pace so far, if every step is taken. */
function remainingInWords(run: Run): string {
  const steps = stepsOf(run);
  const [first] = run.past;
  const last = run.past.at(-1);
  if (steps === undefined || first === undefined || last === undefined || steps.done < 2) return '';
  const perStepMs = (last.endedAt - first.open.openedAt) / steps.done;
  return ` · at most ${durationInWords(perStepMs * (steps.most - steps.done))} to go`;
}
