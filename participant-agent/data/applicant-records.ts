/** Applicants to be scored, from a bank's file, in batches of texts: the columns asked for, in that order. */
import { assertColumns, type DataRecord, withDataSource } from '#participant-agent/data/data-source.ts';

/**
 * Hands over every record of the file, batch by batch.
 * @param take returns whether to go on
 * @throws FederationError DATA_SOURCE when the file cannot be read, CONTRACT when it lacks a column
 */
export async function forEachBatch(
  path: string,
  columns: readonly string[],
  take: (batch: readonly DataRecord[]) => Promise<boolean>,
): Promise<void> {
  await withDataSource(path, async (source) => {
    assertColumns(path, source.columns, columns, 'columns needed');
    for await (const batch of source.batches(columns)) if (!(await take(batch))) return;
  });
}
