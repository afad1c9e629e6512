/** A bad rate or PD for people: four decimals, or three digits where these would read as nothing. */
export function rateText(rate: number): string {
  return rate > 0 && rate < 0.001 ? rate.toPrecision(3) : rate.toFixed(4);
}
