/** One helper for each business event: a log line and a metric, in the same words everywhere. */
import type { Logger } from '#coordinator/logger.ts';
import type { CoordinatorMetrics } from '#coordinator/metrics.ts';
import type { StrangersReport } from '#coordinator/participants/strangers.ts';
import type { RecordedEntry } from '#shared/ledger/entry.ts';
import type { FederationState } from '#shared/ledger/federation-state.ts';
import type { FederationError } from '#shared/protocol/error-codes.ts';
import { message as messageSchema } from '#shared/protocol/messages.ts';
import type { Outcome } from '#shared/protocol/socket-events.ts';

const KNOWN_TYPES: ReadonlySet<unknown> = new Set(
  messageSchema.options.map((option) => option.shape.type.value),
);

export class CoordinatorEvents {
  private readonly log: Logger;
  private readonly metrics: CoordinatorMetrics;

  constructor(log: Logger, metrics: CoordinatorMetrics) {
    this.log = log;
    this.metrics = metrics;
  }

  agentConnected(participant: string, agentVersion: string): void {
    this.log.info({ participant, agentVersion }, 'agent connected');
  }

  agentDisconnected(participant: string): void {
    this.log.info({ participant }, 'agent disconnected');
  }

  /** Who it was is said by the next line. @param waiting bytes that its other end has not read */
  cutOff(waiting: number): void {
    this.log.warn({ waiting }, 'a connection was cut off whose other end does not read what it is sent');
  }

  /** Callers without a token or a key that counts: once a minute at most, however many there were. */
  strangers(report: StrangersReport): void {
    this.log.warn({ ...report }, 'strangers were refused in the last minute');
  }

  /** A bank has a socket again, or its last one is gone: an old one may outlive the line it was opened over. */
  presenceChanged(participant: string, connected: boolean): void {
    this.metrics.participantUp.set({ participant }, connected ? 1 : 0);
  }

  submitted(participant: string, raw: unknown, outcome: Outcome, code?: string): void {
    const claimed = typeof raw === 'object' && raw !== null && 'type' in raw ? raw.type : undefined;
    const type = KNOWN_TYPES.has(claimed) ? String(claimed) : 'unknown';
    this.metrics.submissions.inc({ type, outcome });
    if (code === undefined) {
      this.log.debug({ participant, type }, 'message accepted');
    } else {
      this.metrics.rejections.inc({ reason: code });
      this.log.warn({ participant, type, code }, `message ${outcome}`);
    }
  }

  recorded({ entry }: RecordedEntry, state: FederationState): void {
    this.metrics.ledgerLeaves.set(entry.seq + 1);
    const { message } = entry;
    switch (message.type) {
      case 'close-round':
      case 'void-round': {
        const outcome = message.type === 'close-round' ? 'closed' : 'void';
        const run = state.runs.get(state.roundRuns.get(message.payload.ctx)!)!;
        const past = run.past.at(-1)!;
        const { round, question } = past.open.payload;
        this.metrics.rounds.inc({ outcome });
        this.metrics.roundSeconds.observe(
          { phase: question.kind },
          (past.endedAt - past.open.openedAt) / 1000,
        );
        this.log.info(
          { run: run.id, round, kind: question.kind, banks: past.open.inputs.size },
          `round ${outcome}`,
        );
        break;
      }
      case 'run-finished':
        this.log.info({ run: message.payload.run, outcome: message.payload.outcome }, 'run finished');
        break;
      case 'enrol':
        this.log.info(
          { participant: message.payload.from },
          'bank enrolled; compare fingerprints and admit it',
        );
        break;
      default:
        this.log.debug({ type: message.type, seq: entry.seq }, 'entry recorded');
    }
  }

  databaseFault({ code, message }: FederationError): void {
    this.log.warn({ code }, `${message}; trying again`);
  }

  /** @param requestId what the answer over HTTP tells to look for in the log */
  internalError(error: unknown, requestId?: string): void {
    this.log.error({ err: error, ...(requestId === undefined ? {} : { requestId }) }, 'internal error');
  }
}
