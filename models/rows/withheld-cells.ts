/**
 * Which counts of a table stay unsaid. Where the total is known, one count that is not shown follows from the
 * others, and so does the sum of several: what is withheld must be two counts or more that are large enough
 * together.
 */

/**
 * @param counts of each cell; an empty one is no secret
 * @param least smallest count that may be shown
 * @returns for each whether it is withheld: the small ones, and the smallest others as far as they are needed
 */
export function withheldCells(counts: readonly number[], least: number): boolean[] {
  const withheld = counts.map((n) => n > 0 && n < least);
  const others = counts.map((_, i) => i).filter((i) => counts[i]! >= least);
  others.sort((a, b) => counts[a]! - counts[b]! || a - b);
  const isTold = () => {
    const sum = counts.reduce((total, n, i) => total + (withheld[i] ? n : 0), 0);
    return sum > 0 && (sum < least || withheld.filter(Boolean).length === 1);
  };
  for (const i of others) if (isTold()) withheld[i] = true;
  return withheld;
}
