import type { SeededGenerator } from '#shared/random/seeded-generator.ts';

/** Distributions over one stream of random numbers. */
export class Draw {
  private readonly generator: SeededGenerator;

  constructor(generator: SeededGenerator) {
    this.generator = generator;
  }

  unit(): number {
    return this.generator.nextUnit();
  }

  /** Box–Muller, one of the pair. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.unit()));
    return radius * Math.cos(2 * Math.PI * this.unit());
  }

  /** Knuth's product method; right for small means. */
  poisson(mean: number, most: number): number {
    const floor = Math.exp(-mean);
    let count = 0;
    for (let product = this.unit(); product > floor && count < most; product *= this.unit()) count++;
    return count;
  }

  choice<T>(items: readonly T[], weights: readonly number[]): T {
    let rest = this.unit() * weights.reduce((sum, w) => sum + w, 0);
    const index = weights.findIndex((weight) => (rest -= weight) < 0);
    return items[index < 0 ? items.length - 1 : index]!;
  }
}
