import { expect, test } from 'vitest';
import { aucInWords, waitingInWords } from '#scripts/operator/run-words.ts';
import { participantId } from '#shared/protocol/ids.ts';

const bank = (id: string) => participantId.parse(id);

test('the interval of an AUC is the one of so many rows; what ties leave open is named only where it shows', () => {
  const metrics = { auc: 0.7738, aucError: 0.0001, holdoutRows: 187, badRate: 0.3 };
  // Hanley and McNeil (1982) for 56 and 131: standard error 0.0396
  expect(aucInWords(metrics)).toMatch(
    /^hold-out AUC 0\.7738 \(95 % 0\.69\d to 0\.85\d, by 56 bad of 187 rows\)$/,
  );
  expect(aucInWords({ ...metrics, aucError: 0.0027 })).toMatch(
    /; equal scores leave it open by at most 0\.0027$/,
  );
  expect(aucInWords({ auc: 0.7738 })).toBe('hold-out AUC 0.7738');
  expect(aucInWords({})).toBeUndefined();
});

test('who is waited for is named, and since when', () => {
  const banks = [bank('harbour'), bank('nova')];
  const since = 1_000_000;
  expect(waitingInWords({ what: 'consent', banks, needed: 2, since }, since + 90_000)).toBe(
    'waits for consent of harbour, nova, for 90 s',
  );
  expect(waitingInWords({ what: 'cosignatures', banks, needed: 1, since }, since + 7_200_000)).toBe(
    'waits for cosignatures, any 1 of harbour, nova, for 2 h',
  );
  expect(waitingInWords({ what: 'updates', banks: [bank('nova')], needed: 1, since: undefined }, since)).toBe(
    'waits for updates of nova',
  );
});
