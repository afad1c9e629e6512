/**
 * What form the files in a data folder have, beside the keys, which every backup of it holds:
 *
 *   keys/data-version.json   {"folder": "coordinator", "version": 1, "tallystick": "0.1.0"}
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder, replaceFile } from '#shared/platform/files/durable-file.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { VERSION } from '#shared/protocol/version.ts';

/** One more with every change after which folders, entries or messages that are there cannot be read any more. */
export const DATA_VERSION = 1;

const FOLDERS = {
  coordinator: { key: 'coordinator.json', anew: 'found the consortium anew in an empty folder (--data)' },
  agent: { key: 'identity.json', anew: 'enrol again with an empty folder (--folder)' },
} as const;
export type DataFolder = keyof typeof FOLDERS;

const dataVersion = z.object({
  folder: z.enum(['coordinator', 'agent']),
  version: z.int().min(0),
  tallystick: z.string().max(50),
});

/**
 * To be called before anything else is read in the folder or written to it.
 * @param isNew whether it may be a folder that nothing is in yet, which is given this version
 * @throws FederationError CONFIG when it is of another version or kind, or not there although it must be
 */
export async function assertDataVersion(folder: string, kind: DataFolder, isNew = true): Promise<void> {
  const path = join(folder, 'keys', 'data-version.json');
  if (existsSync(path)) {
    const found = await read(path);
    if (found.folder !== kind)
      throw new FederationError(
        'CONFIG',
        `${folder} is the data folder of a tallystick ${found.folder}, not of a ${kind}`,
      );
    if (found.version !== DATA_VERSION) throw otherVersion(folder, kind, found.version, found.tallystick);
    return;
  }
  if (existsSync(join(folder, 'keys', FOLDERS[kind].key))) throw otherVersion(folder, kind, 0, undefined);
  if (!isNew)
    throw new FederationError(
      'CONFIG',
      `${folder} is not the data folder of a tallystick ${kind}: it has no keys`,
    );
  await makeFolder(join(folder, 'keys'));
  const content = { folder: kind, version: DATA_VERSION, tallystick: VERSION };
  await replaceFile(path, `${JSON.stringify(content)}\n`, { flush: true, now: true });
}

async function read(path: string): Promise<z.infer<typeof dataVersion>> {
  try {
    return dataVersion.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new FederationError('CONFIG', `${path} is damaged; restore it from a backup`, { cause });
  }
}

function otherVersion(
  folder: string,
  kind: DataFolder,
  version: number,
  by: string | undefined,
): FederationError {
  const writer = by === undefined ? 'written before versions were noted' : `written by Tallystick ${by}`;
  return new FederationError(
    'CONFIG',
    `the data in ${folder} have version ${version}, ${writer}; this is Tallystick ${VERSION}, which reads version ${DATA_VERSION}. ` +
      `Use the Tallystick that wrote them, or ${FOLDERS[kind].anew}. Nothing was changed`,
  );
}
