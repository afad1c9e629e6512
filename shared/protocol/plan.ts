/**
 * The plan: everything a run will do, fixed and signed before the first bank is asked. Banks consent to
 * exactly this.
 */
import { z } from 'zod';
import { legible } from '#shared/protocol/foreign-text.ts';
import { hash, participantId } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { SESSION_BANKS_MAX, SESSION_BANKS_MIN } from '#shared/secure-sum/thresholds.ts';

const MINUTE = 60_000;

/** The fields alone; `plan` also checks them against each other. */
export const planFields = z.strictObject({
  v: z.literal(1),
  name: legible(z.string().min(1).max(100)),
  /** Root of the data contract's bytes. */
  contract: hash,
  program: z.strictObject({
    name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
    /** Parsed by the program itself. */
    settings: z.json(),
  }),
  /** The banks asked to take part, sorted. */
  participants: z.array(participantId).min(1).max(LIMITS.participantsMax),
  cohort: z.strictObject({
    /** Updates a round needs. With fewer the round is void. */
    minimum: z.int().min(1).max(LIMITS.participantsMax),
  }),
  /** `masked`: the coordinator learns sums only. `plain`: it sees each update; every bank must allow that. */
  aggregation: z.enum(['masked', 'plain']).default('masked'),
  /** Public; whatever looks random in the program follows from it. */
  seed: legible(z.string().min(1).max(100)),
  deadlines: z
    .strictObject({
      /** How long banks may take to consent. */
      consentMs: z
        .int()
        .min(1000)
        .max(30 * 24 * 60 * MINUTE)
        .default(24 * 60 * MINUTE),
      /** How long a round stays open. */
      roundMs: z
        .int()
        .min(100)
        .max(24 * 60 * MINUTE)
        .default(10 * MINUTE),
      /** A bank disconnected for longer than this is not waited for. */
      absenceMs: z
        .int()
        .min(0)
        .max(24 * 60 * MINUTE)
        .default(15_000),
    })
    .prefault({}),
  /** How often one question is asked again after a void round. */
  retries: z.int().min(0).max(100).default(2),
});

/** In `run-started`, beside its id: quotes, commas and the witness key; masked runs have few banks and another key. */
const NAME_AND_KEYS_BYTES = 50;
const ENTRY_REST_BYTES = 600;

export const plan = planFields.superRefine((p, context) => {
  const sorted = [...p.participants].sort((a, b) => (a < b ? -1 : 1));
  if (new Set(sorted).size !== sorted.length || sorted.some((id, i) => id !== p.participants[i])) {
    context.addIssue({
      code: 'custom',
      path: ['participants'],
      message: 'must be in alphabetical order, each bank once',
    });
  }
  if (
    p.aggregation === 'masked' &&
    (p.cohort.minimum < SESSION_BANKS_MIN || p.participants.length > SESSION_BANKS_MAX)
  ) {
    context.addIssue({
      code: 'custom',
      path: ['cohort', 'minimum'],
      message: `masked sums are for ${SESSION_BANKS_MIN} to ${SESSION_BANKS_MAX} banks: with fewer, each would learn another's part`,
    });
  }
  const startBytes = p.participants.reduce(
    (sum, id) => sum + id.length + NAME_AND_KEYS_BYTES,
    ENTRY_REST_BYTES,
  );
  if (startBytes > LIMITS.entryBytesMax) {
    context.addIssue({
      code: 'custom',
      path: ['participants'],
      message:
        'too many banks with ids so long: who starts the run would not fit into one entry of the ledger',
    });
  }
  if (p.cohort.minimum > p.participants.length) {
    context.addIssue({
      code: 'custom',
      path: ['cohort', 'minimum'],
      message: `is ${p.cohort.minimum}, but only ${p.participants.length} banks are asked`,
    });
  }
});
export type Plan = z.infer<typeof plan>;
/** A plan as an operator writes it, before defaults. */
export type PlanInput = z.input<typeof plan>;
