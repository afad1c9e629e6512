/** FedAdam (Reddi et al. 2021, algorithm 2, after Kingma & Ba 2015): v ← β₂·v + (1 − β₂)·Δ². */
export function fedadam(v: number, square: number, beta2: number): number {
  return beta2 * v + (1 - beta2) * square;
}
