/** For tests that are not about figures: answers made up field by field, which a run has to believe. */

/** Sets how many rows a bank did not keep back, in an evaluation, to what follows from a fifth kept back. */
export function withTrainingCounts(answer: Record<string, Float64Array>): Record<string, Float64Array> {
  const counts = Object.keys(answer).flatMap((name) => {
    const [, prefix, what] = /^(.*)Training(Rows|Bads)$/.exec(name) ?? [];
    if (what === undefined) return [];
    const kept = (what === 'Rows' ? ['Bad', 'Good'] : ['Bad']).flatMap((outcome) =>
      ['First', 'Second'].flatMap((half) => [...answer[`${prefix!}${half}${outcome}`]!]),
    );
    return [[name, Float64Array.of(4 * kept.reduce((sum, n) => sum + Math.round(n), 0))]];
  });
  return { ...answer, ...(Object.fromEntries(counts) as Record<string, Float64Array>) };
}
