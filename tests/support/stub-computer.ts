/**
 * What an agent computes when a test is not about its rows: stub answers, and a file that was read before is not read
 * again. To open DuckDB for sixty rows costs as much as a round.
 */
import { readFile } from 'node:fs/promises';
import { loadTable, type LoadedTable } from '#participant-agent/data/load-table.ts';
import { LocalComputer } from '#participant-agent/training/run-computer.ts';
import type { DataContract } from '#shared/contract/contract.ts';
import { stubAnswerer } from './stub-answers.ts';

/** By content of the file and contract. */
const loaded = new Map<string, Promise<LoadedTable>>();

export function stubComputer(dataFile: string, id: string): LocalComputer {
  return new LocalComputer(dataFile, () => stubAnswerer(id), loadOnce);
}

async function loadOnce(path: string, contract: DataContract): Promise<LoadedTable> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return loadTable(path, contract); // which says what is wrong with it
  const key = JSON.stringify([contract, text]);
  const known = loaded.get(key) ?? loadTable(path, contract);
  loaded.set(key, known);
  return known;
}
