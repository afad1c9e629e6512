/**
 * FedYogi (Reddi et al. 2021, algorithm 2, after Zaheer et al. 2018): v ← v − (1 − β₂)·Δ²·sign(v − Δ²). v moves by a
 * share of Δ², not of itself, so that after a large change steps come back slowly.
 */
export function fedyogi(v: number, square: number, beta2: number): number {
  if (v === square) return v;
  return v > square ? v - (1 - beta2) * square : v + (1 - beta2) * square;
}
