/** Prometheus metrics. Labels are low in cardinality: never ids of runs, rounds or messages. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const LOOP_LOOK_MS = 5;

export interface CoordinatorMetrics {
  readonly registry: Registry;
  readonly submissions: Counter<'type' | 'outcome'>;
  readonly rejections: Counter<'reason'>;
  readonly rounds: Counter<'outcome'>;
  readonly roundSeconds: Histogram<'phase'>;
  readonly bodyBytes: Counter<'direction'>;
  readonly participantUp: Gauge<'participant'>;
  readonly ledgerLeaves: Gauge;
}

export function createMetrics(): CoordinatorMetrics {
  const registry = new Registry();
  const registers = [registry];
  // CPU, memory, event-loop delay of this process; each delay is read too long by up to one look at the clock
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_LOOK_MS });
  return {
    registry,
    submissions: new Counter({
      name: 'tallystick_messages_total',
      help: 'Signed messages from banks by type and outcome (accepted, rejected, discarded).',
      labelNames: ['type', 'outcome'],
      registers,
    }),
    rejections: new Counter({
      name: 'tallystick_update_rejected_total',
      help: 'Messages not accepted, by error code.',
      labelNames: ['reason'],
      registers,
    }),
    rounds: new Counter({
      name: 'tallystick_rounds_total',
      help: 'Rounds that ended, by outcome (closed, void).',
      labelNames: ['outcome'],
      registers,
    }),
    roundSeconds: new Histogram({
      name: 'tallystick_round_duration_seconds',
      help: 'Time from open-round to its end.',
      labelNames: ['phase'],
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000],
      registers,
    }),
    bodyBytes: new Counter({
      name: 'tallystick_body_bytes_total',
      help: 'Bytes of bodies that came from banks (updates, share tables), and that were sent to banks and auditors (also shares and masked vectors); of answers that broke off nothing.',
      labelNames: ['direction'],
      registers,
    }),
    participantUp: new Gauge({
      name: 'tallystick_participant_up',
      help: 'Whether the agent of a bank is connected.',
      labelNames: ['participant'],
      registers,
    }),
    ledgerLeaves: new Gauge({
      name: 'tallystick_log_size_leaves',
      help: 'Entries in the ledger.',
      registers,
    }),
  };
}
