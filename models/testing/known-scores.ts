/** For tests: PDs and their scores at 600 points for odds of 30:1, 60 points to double them, worked out elsewhere. */
export const KNOWN_SCORES: readonly (readonly [pd: number, score: number])[] = [
  [1 / 31, 600],
  [1 / 61, 660],
  [1 / 16, 540],
  [0.5, 305.586564],
  [0.2, 425.586564],
  [0.05, 560.462215],
  [0.01, 703.347961],
  [0.001, 903.447016],
];
