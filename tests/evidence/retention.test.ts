/** Bodies that expire: what goes, what stays, and what an auditor is told. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { BodyStore } from '#coordinator/store/body-store.ts';
import { EntryStore } from '#coordinator/store/entry-store.ts';
import { expireBodies } from '#coordinator/retention.ts';
import { auditBundle } from '#scripts/audit/bundle-file.ts';
import { exitCodeOf } from '#scripts/commands/audit.ts';
import { contractHash } from '#shared/contract/contract.ts';
import { bodyNamedBy, isKeptForGood } from '#shared/ledger/bodies-named.ts';
import { LocalFederation } from '../support/local-federation.ts';
import { temporaryFolder } from '../support/opened.ts';
import { TestBank } from '../support/test-bank.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';
import { stubAnswers } from '../support/stub-answers.ts';

const DAY_MS = 86_400_000;

function fileOf(coordinator: TestCoordinator, root: string): string {
  return join(coordinator.dataDir, 'bodies', root.slice(0, 2), root);
}
