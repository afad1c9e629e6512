/** FedAdagrad (Reddi et al. 2021, algorithm 2, after Duchi et al. 2011): v ← v + Δ². Steps only become smaller. */
export function fedadagrad(v: number, square: number): number {
  return v + square;
}
