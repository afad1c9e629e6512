/** Bundles that are made to mislead or to break the one who checks them: by an operator with all keys. */
import { expect, test } from 'vitest';
import type { Journal } from '#coordinator/journal/journal.ts';
import { BodyStore } from '#coordinator/store/body-store.ts';
import { verifyBundle, type AuditReport } from '#models/audit/verify-bundle.ts';
import { utf8 } from '#shared/crypto/hash.ts';
import { bundleParts } from '#shared/ledger/bundle.ts';
import { parseEntry } from '#shared/ledger/entry.ts';
import type { Run } from '#shared/ledger/federation-state.ts';
import { LocalFederation } from '../support/local-federation.ts';
import { putTogether, sourceOf, type BundleContent } from '../support/bundle-parts.ts';
import { temporaryFolder } from '../support/opened.ts';

interface Made {
  readonly federation: LocalFederation;
  readonly journal: Journal;
  readonly run: Run;
}

/** A run of one bank that has started. */
async function started(): Promise<Made> {
  const federation = await LocalFederation.open('pglite');
  const journal = await federation.journal();
  const bodies = await BodyStore.open(await temporaryFolder('bodies'));
  const from = await federation.join(journal, 'a');
  const run = await federation.propose(journal, bodies, ['a'], {});
  await federation.consent(journal, run, 'a');
  const witnessKeys = [journal.state.participants.get(from)!.witnessKey];
  await journal.record('run-started', { run: run.id, roster: [from], witnessKeys });
  return { federation, journal, run };
}

async function stop({ journal, run }: Made): Promise<void> {
  const { phase } = run;
  if (phase.name !== 'ready') throw new Error(phase.name);
  await journal.record('run-finished', {
    ...{ run: run.id, parent: phase.parent, outcome: 'stopped', code: 'STOPPED', reason: '', metrics: {} },
  });
}

async function audit({ federation, journal }: Made, hide: string[] = []): Promise<AuditReport> {
  const rows = await federation.db.selectFrom('entries').select('text').orderBy('seq').execute();
  const entries: BundleContent['entries'] = rows.map(({ text }) =>
    hide.some((type) => text.includes(`"type":"${type}"`)) ? { leaf: parseEntry(text).leaf } : text,
  );
  const bytes = putTogether({ note: journal.checkpoint(), entries, bodies: [] });
  return verifyBundle(sourceOf(bytes), { charter: journal.state.charter!.hash });
}

test('a time that has no date is a finding, and does not end the audit', async () => {
  const made = await started();
  made.federation.clock.advance(8_700_000_000_000_000);
  await stop(made);
  const charter = made.journal.state.charter!.hash;
  await made.journal.record('retention', { charter, runs: [made.run.id], reason: '' });
  expect(await audit(made)).toMatchObject({ passed: false, findings: [{ code: 'SCHEMA' }] });
});

test('entries that are hidden are not said to be of other runs, and a run whose end is hidden is not whole', async () => {
  const made = await started();
  await stop(made);
  const whole = await audit(made);
  expect(whole.runs[0]).toMatchObject({ outcome: 'stopped' });
  const report = await audit(made, ['run-finished']);
  expect(report).toMatchObject({ passed: true, complete: false, hidden: 1 });
  expect(report.notChecked.join()).toMatch(/1 entries are only there as hashes/);
  expect(report.notChecked.join()).not.toMatch(/of other runs/);
  expect(report.runs[0]).toMatchObject({ outcome: 'open' });
  expect(report.runs[0]!.notChecked.join()).toMatch(/no end here/);
});

test('a body longer than any may be is refused before it is read', async () => {
  const head = new Uint8Array([
    ...bundleParts.head('no note\n'),
    ...bundleParts.body('a'.repeat(64), 9_000_000_000),
  ]);
  const tail = utf8('\nend\n');
  let bytesRead = 0;
  const source = {
    size: head.length + 9_000_000_000 + tail.length,
    read(offset: number, length: number): Promise<Uint8Array> {
      bytesRead += length;
      const bytes = new Uint8Array(length);
      if (offset < head.length) bytes.set(head.subarray(offset, offset + length));
      const start = offset - (head.length + 9_000_000_000);
      if (start >= 0) bytes.set(tail.subarray(start, start + length));
      return Promise.resolve(bytes);
    },
  };
  const { findings } = await verifyBundle(source, { charter: 'a'.repeat(64) });
  expect(findings).toMatchObject([{ code: 'BUNDLE', message: expect.stringMatching(/longer than any/) }]);
  expect(bytesRead).toBeLessThan(1_048_576);
});
