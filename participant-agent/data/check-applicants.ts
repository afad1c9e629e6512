/**
 * Are applicants that are to be scored what the model was made for? The thresholds are those of the data check, held
 * to every file, batch or request of several applicants; where there are few, a share above a threshold must also be
 * more than chance makes of one at the threshold.
 */
import { DATA_THRESHOLDS, findInFeature } from '#participant-agent/data/check-table.ts';
import type { Finding } from '#participant-agent/data/data-report.ts';
import { type FeatureTally, tallyOf } from '#participant-agent/data/feature-tally.ts';
import type { ModelArtefact } from '#models/artefact.ts';
import { InputShift } from '#models/evaluation/input-shift.ts';

/** Chance of being refused for nothing that a file at a threshold has, at most. */
const REFUSED_FOR_NOTHING = 0.01;

export class ApplicantCheck {
  private readonly artefact: ModelArtefact;
  private readonly tallies: readonly FeatureTally[];
  private readonly shift: InputShift;
  private rows = 0;

  constructor(artefact: ModelArtefact) {
    this.artefact = artefact;
    this.tallies = artefact.contract.features.map(tallyOf);
    this.shift = new InputShift(artefact);
  }

  /** @param row the applicant as a scorer takes it; one that could not be read is not added */
  add(row: Float64Array): void {
    this.rows++;
    for (let j = 0; j < this.tallies.length; j++) this.tallies[j]!.add(row[j]!);
    this.shift.add(row);
  }

  /** Errors first: with one, no score of these applicants is to be used. */
  findings(): Finding[] {
    if (this.rows === 0) return [];
    const found = this.artefact.contract.features.flatMap((feature, j) =>
      findInFeature(feature, this.tallies[j]!.summary(0), this.rows, 'scored').map((finding) =>
        finding.severity === 'error' && !this.isCertain(finding)
          ? { ...finding, severity: 'warning' as const }
          : finding,
      ),
    );
    const refused = new Set(
      found.filter(({ severity }) => severity === 'error').map(({ feature }) => feature),
    );
    for (const { feature, message } of this.shift.shifted())
      if (!refused.has(feature)) found.push({ severity: 'error', code: 'shifted', feature, message });
    return found.sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error'));
  }

  private isCertain({ code, feature }: Finding): boolean {
    const j = this.artefact.contract.features.findIndex(({ name }) => name === feature);
    const summary = this.tallies[j]!.summary(0);
    const filled = this.rows - summary.missing;
    if (code === 'out-of-range' && summary.type === 'number')
      return isMore(summary.belowMin + summary.aboveMax, filled, DATA_THRESHOLDS.outOfRangeErrorAbove);
    if (code === 'unknown-categories' && summary.type === 'category')
      return isMore(summary.unknown, filled, DATA_THRESHOLDS.unknownCategoriesErrorAbove);
    return this.rows >= DATA_THRESHOLDS.usableRowsMin;
  }
}

/** Whether so many of `of` are hardly chance where each is one with probability `share`: P(X ≥ count) below the limit. */
function isMore(count: number, of: number, share: number): boolean {
  let probability = (1 - share) ** of;
  if (probability === 0) return true; // so many that a share above the threshold is no chance
  let below = 0;
  for (let k = 0; k < count; k++) {
    below += probability;
    probability *= ((of - k) / (k + 1)) * (share / (1 - share));
  }
  return 1 - below < REFUSED_FOR_NOTHING;
}
