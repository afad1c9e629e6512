/** "Did you mean": the existing name nearest to one that was not found. */

/** ` (nearest: "x")`, or nothing. */
export function nearestHint(name: string, candidates: readonly string[]): string {
  const nearest = nearestName(name, candidates);
  return nearest === undefined ? '' : ` (nearest: "${nearest}")`;
}

/** @returns the nearest of `candidates`, or undefined when none is near enough to be meant */
function nearestName(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    if (candidate === '') continue;
    const distance = nameDistance(name, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return bestDistance < 1 ? best : undefined;
}

/** Below 1 is near. Case, blanks, `_`, `-` and `.` count little; two fifths of the letters may differ. */
function nameDistance(a: string, b: string): number {
  const plainA = plain(a);
  const plainB = plain(b);
  if (plainA === plainB) return 0;
  const longer = Math.max(plainA.length, plainB.length);
  const shorter = Math.min(plainA.length, plainB.length);
  const contained = shorter >= 3 && (plainA.includes(plainB) || plainB.includes(plainA));
  const relative = editDistance(plainA, plainB) / Math.max(1, 0.4 * longer + 0.5);
  return contained ? Math.min(relative, 0.9) : relative;
}

function plain(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[\s_.-]+/g, '')
    .slice(0, 128);
}

/** Levenshtein distance in UTF-16 units. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}
