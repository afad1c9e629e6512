/** `docs/results.json`: one record for each data set and model, so that one can be measured again alone. */
import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { MODELS } from '#scripts/operator/models.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

const discrimination = z.strictObject({ auc: z.number(), ks: z.number() });

const measured = z.strictObject({
  dataSet: z.string(),
  model: z.enum(MODELS),
  /** The program's settings, as JSON, where they are not what `simulate` takes. */
  settings: z.string(),
  features: z.int(),
  /** Training rows and bads, by bank. */
  banks: z.record(z.string(), z.strictObject({ rows: z.int(), bads: z.int() })),
  test: z.strictObject({ rows: z.int(), bads: z.int() }),
  /** Absent when the run failed. */
  outcome: z
    .strictObject({
      federated: discrimination,
      pooled: discrimination,
      local: z.strictObject({
        aucMean: z.number(),
        aucMin: z.number(),
        aucMax: z.number(),
        ksMean: z.number(),
        ksMin: z.number(),
        guessing: z.int(),
      }),
      /** Whether the federated model is the pooled one, byte for byte. */
      sameModel: z.boolean(),
      /** Absent when no consortium was started. */
      consortium: z
        .strictObject({
          rounds: z.int(),
          /** Mean over banks. */
          bytesPerBank: z.number(),
          trainingSeconds: z.number(),
          ledgerVerified: z.boolean(),
          /** Processes that waited for a core, of the last minute, before and after. */
          load: z.strictObject({ before: z.number(), after: z.number() }),
          cores: z.int(),
        })
        .optional(),
    })
    .optional(),
  /** Why there is no outcome. */
  failure: z.string().optional(),
});
export type Measured = z.infer<typeof measured>;

/** @returns nothing when there is no such file yet @throws FederationError STORAGE when it is damaged */
export async function readResults(path: string): Promise<Measured[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    return z.array(measured).parse(JSON.parse(text));
  } catch (cause) {
    throw new FederationError('STORAGE', `${path} is damaged: ${describeError(cause)}`, { cause });
  }
}

/** Replaces the record of the same data set and model. */
export async function saveResult(path: string, one: Measured): Promise<Measured[]> {
  const others = (await readResults(path)).filter(
    ({ dataSet, model }) => dataSet !== one.dataSet || model !== one.model,
  );
  const all = [...others, one].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  await writeFile(path, `${JSON.stringify(all, null, 2)}\n`);
  return all;
}

function key({ dataSet, model }: Measured): string {
  return `${dataSet}/${MODELS.indexOf(model)}`;
}
