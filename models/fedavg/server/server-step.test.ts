import { describe, expect, test } from 'vitest';
import {
  serverSettings,
  serverStep,
  type ServerSettings,
  type ServerState,
} from '#models/fedavg/server/server-step.ts';

/** Average changes of three weights in four rounds; 1/64 of them are the integers of a sum. */
const CHANGES = [
  [0.5, -0.25, 0],
  [0.25, -1.5, 0.015625],
  [-2, 0, 0.03125],
  [0.5, 0.75, -0.25],
];
const START = [1, -1, 0.5];
const FACTOR = 1 / 64;

function run(settings: ServerSettings, rounds = CHANGES.length): number[] {
  let state: ServerState | undefined;
  let weights = Float32Array.from(START);
  for (const change of CHANGES.slice(0, rounds)) {
    const next = new Float32Array(3);
    state = serverStep(
      settings,
      state,
      Int32Array.from(change, (d) => d / FACTOR),
      FACTOR,
      weights,
      next,
    );
    weights = next;
  }
  return [...weights];
}

/** Algorithm 2 of Reddi et al. as printed, one weight at a time, in float64. */
function reference(
  rule: (v: number, delta: number, beta2: number) => number,
  { eta, beta1, beta2, tau }: Record<'eta' | 'beta1' | 'beta2' | 'tau', number>,
): number[] {
  return START.map((x, i) => {
    let [m, v] = [0, tau ** 2];
    for (const change of CHANGES) {
      m = beta1 * m + (1 - beta1) * change[i]!;
      v = rule(v, change[i]!, beta2);
      x += (eta * m) / (Math.sqrt(v) + tau);
    }
    return x;
  });
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  actual.forEach((value, i) => expect(value, `weight ${i}`).toBeCloseTo(expected[i]!, 5));
}

describe('the server', () => {
  const settings = { learningRate: 0.3, beta1: 0.8, beta2: 0.7, tau: 0.05 };
  const printed = { eta: 0.3, beta1: 0.8, beta2: 0.7, tau: 0.05 };

  test.each([
    ['fedadagrad', (v: number, d: number) => v + d ** 2],
    ['fedyogi', (v: number, d: number, b: number) => v - (1 - b) * d ** 2 * Math.sign(v - d ** 2)],
    ['fedadam', (v: number, d: number, b: number) => b * v + (1 - b) * d ** 2],
  ] as const)('with %s does algorithm 2 of its paper', (optimizer, rule) => {
    expectClose(run({ optimizer, ...settings }), reference(rule, printed));
  });

  test('with each optimiser ends elsewhere', () => {
    const ends = (['fedadagrad', 'fedyogi', 'fedadam'] as const).map((optimizer) =>
      run({ optimizer, ...settings }),
    );
    expect(new Set(ends.map(String)).size).toBe(3);
  });

  test('without any setting adds the average as it is', () => {
    expect(run(serverSettings.parse({}))).toEqual([0.25, -2, 0.296875]);
  });

  test('with momentum adds velocities, times its learning rate', () => {
    // velocities of the first weight: ½; ½·½ + ¼ = ½; ½·½ − 2 = −1¾; −⅞ + ½ = −⅜
    const given = serverSettings.parse({ optimizer: 'fedavgm', momentum: 0.5, learningRate: 0.5 });
    expect(run(given)[0]).toBe(1 + 0.5 * (0.5 + 0.5 - 1.75 - 0.375));
  });

  test('takes the same settings with its optimiser named and not', () => {
    expect(run(serverSettings.parse({ momentum: 0.75 }))).toEqual(
      run(serverSettings.parse({ optimizer: 'fedavgm', momentum: 0.75 })),
    );
  });

  test.each([
    { optimizer: 'sgd' },
    { optimizer: 'fedadam', momentum: 0.8 },
    { momentum: 0.8, beta2: 0.9 },
    { optimizer: 'fedyogi', tau: 0 },
    { optimizer: 'fedadam', beta2: 1 },
    { learningRate: 0 },
  ])('refuses %j', (given) => {
    expect(serverSettings.safeParse(given).success).toBe(false);
  });
});
