import { describe, expect, test } from 'vitest';
import { fedavg } from '#models/fedavg/program.ts';
import { parseSettings } from '#models/program-settings.ts';
import { fedavgSettings, NETWORKS, SKEWED_BANKS } from '#models/fedavg/settings.ts';
import type { Json } from '#shared/crypto/canonical-json.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

const SETTINGS = { network: NETWORKS.mlp, stop: { rounds: 20 } };

/** `accepted`, or the code and the setting it names. */
function outcomeOf(settings: unknown): string {
  try {
    parseSettings(fedavgSettings, settings as Json);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof FederationError)) throw error;
    return `${error.code} ${/^program\.settings\.?([^:]*): ./.exec(error.message)?.[1] ?? error.message}`;
  }
}

describe('the settings of fedavg', () => {
  test('take defaults that are written down here, for they are part of what banks consent to', () => {
    expect(
      parseSettings(fedavgSettings, { network: { hidden: [], dropout: 0 }, stop: { rounds: 1 } }),
    ).toEqual({
      network: { hidden: [], dropout: 0 },
      local: {
        epochs: 1,
        batchSize: 64,
        optimizer: 'adam',
        learningRate: 0.001,
        epsilon: 0.01,
        schedule: { kind: 'constant' },
        loss: { kind: 'cross-entropy' },
        proximal: 0,
      },
      server: { learningRate: 1, momentum: 0 },
      clip: 1,
      rowsCap: 131_072,
      holdoutFraction: 0.2,
      calibration: 'platt',
      kMin: 20,
      scaling: { score: 600, odds: 30, pdo: 60, min: 300, max: 850 },
      segments: [],
      stop: { rounds: 1, chosenBy: 'logLoss' },
    });
  });

  test('take a network as layers of TensorFlow.js, and say which layer they cannot take', () => {
    const dense = (units: number, activation: string) => ({
      class_name: 'Dense',
      config: { units, activation },
    });
    const network = (layers: unknown) => ({ network: { layers }, stop: { rounds: 1 } });
    expect(
      parseSettings(fedavgSettings, network([dense(8, 'sigmoid'), dense(1, 'linear')]) as Json).network,
    ).toEqual({
      hidden: [8],
      dropout: 0,
      activations: ['sigmoid'],
    });
    expect(outcomeOf(network([dense(8, 'tanh'), dense(1, 'linear')]))).toBe('PLAN network.layers');
    expect(outcomeOf({ ...network([dense(1, 'sigmoid')]), stop: undefined })).toBe('PLAN stop');
    const both = { layers: [dense(1, 'sigmoid')], hidden: [], dropout: 0 };
    expect(outcomeOf({ ...SETTINGS, network: both })).toBe('PLAN network.layers');
    expect(outcomeOf({ ...SETTINGS, network: { hidden: [4] } })).toBe('PLAN network.dropout');
  });

  test('of both ready-made networks are valid', () => {
    for (const network of Object.values(NETWORKS)) {
      expect(fedavgSettings.safeParse({ network, stop: { rounds: 1 } }).success).toBe(true);
    }
  });

  test('recommended for skewed banks are valid, and one batch a round', () => {
    const parsed = parseSettings(fedavgSettings, { ...SETTINGS, ...SKEWED_BANKS });
    expect(parsed.server).toMatchObject({ optimizer: 'fedadam', beta1: 0.9, beta2: 0.99, tau: 0.001 });
    expect(
      fedavgSettings.safeParse({ ...SETTINGS, local: { batchSize: parsed.local.batchSize + 1 } }).success,
    ).toBe(false);
  });

  test.each([
    [{ network: undefined }, 'network'],
    [{ network: { hidden: [0], dropout: 0 } }, 'network.hidden.0'],
    [{ network: { hidden: [8193], dropout: 0 } }, 'network.hidden.0'],
    [{ network: { hidden: [4, 2.5], dropout: 0 } }, 'network.hidden.1'],
    [{ network: { hidden: Array(9).fill(2), dropout: 0 } }, 'network.hidden'],
    [{ network: { hidden: [4], dropout: 1 } }, 'network.dropout'],
    [{ network: { hidden: [4], dropout: -0.1 } }, 'network.dropout'],
    [{ network: { ...NETWORKS.mlp, activation: 'tanh' } }, 'network'],
    [{ local: { epochs: 0 } }, 'local.epochs'],
    [{ local: { batchSize: 0 } }, 'local.batchSize'],
    [{ local: { optimizer: 'lbfgs' } }, 'local.optimizer'],
    [{ local: { learningRate: 0 } }, 'local.learningRate'],
    [{ local: { learningRate: 11 } }, 'local.learningRate'],
    [{ local: { epsilon: 0 } }, 'local.epsilon'],
    [{ local: { proximal: -1 } }, 'local.proximal'],
    [{ local: { gradientNorm: 0 } }, 'local.gradientNorm'],
    [{ local: { loss: { kind: 'hinge' } } }, 'local.loss.kind'],
    [{ local: { loss: { kind: 'focal', alpha: 1, gamma: 2 } } }, 'local.loss.alpha'],
    [{ local: { loss: { kind: 'focal', alpha: 0.5, gamma: -1 } } }, 'local.loss.gamma'],
    [{ local: { loss: { kind: 'class-weighted', badWeight: 0 } } }, 'local.loss.badWeight'],
    [{ local: { schedule: { kind: 'step', every: 0, factor: 0.5 } } }, 'local.schedule.every'],
    [{ local: { schedule: { kind: 'cosine', final: 2 } } }, 'local.schedule.final'],
    [{ server: { momentum: 1 } }, 'server.momentum'],
    [{ server: { optimizer: 'fedadam', tau: 0 } }, 'server.tau'],
    [{ server: { optimizer: 'fedadam', momentum: 0.5 } }, 'server'],
    [{ server: { momentum: -0.5 } }, 'server.momentum'],
    [{ scaling: { pdo: 0 } }, 'scaling.pdo'],
    [{ cutoffs: { approveBelow: 0.2, declineFrom: 0.1 } }, 'cutoffs'],
    [{ clip: 0 }, 'clip'],
    [{ clip: 1001 }, 'clip'],
    [{ rowsCap: 0 }, 'rowsCap'],
    [{ rowsCap: 2 ** 20 + 1 }, 'rowsCap'],
    [{ holdoutFraction: 0.04 }, 'holdoutFraction'],
    [{ holdoutFraction: 0.51 }, 'holdoutFraction'],
    [{ calibration: 'none' }, 'calibration'],
    [{ kMin: 4 }, 'kMin'],
    [{ stop: undefined }, 'stop'],
    [{ stop: {} }, 'stop.rounds'],
    [{ stop: { rounds: 0 } }, 'stop.rounds'],
    [{ stop: { rounds: 5, patience: 0 } }, 'stop.patience'],
    [{ stop: { rounds: 5, chosenBy: 'gini' } }, 'stop.chosenBy'],
    [{ stop: { rounds: 5, target: { metric: 'auc', value: -1 } } }, 'stop.target.value'],
    [{ segments: [3] }, 'segments.0'],
    [{ secret: 1 }, ''],
  ])('are refused with %j, and the error names the setting', (changes, path) => {
    expect(outcomeOf(SETTINGS)).toBe('accepted');
    expect(outcomeOf({ ...SETTINGS, ...changes })).toBe(`PLAN ${path}`);
  });

  test.each([null, 'fedavg', 3, []])('are refused when they are %j', (settings) => {
    expect(outcomeOf(settings)).toMatch(/^PLAN/);
  });
});

describe('the most rounds a run can take', () => {
  test.each([1, 20, 500])('are, for %i rounds of training, those and two before and one after', (rounds) => {
    expect(fedavg.maximumRounds({ ...SETTINGS, stop: { rounds, patience: 3 } })).toBe(rounds + 3);
  });

  test('are not known for settings that are not valid', () => {
    const most = LIMITS.roundsMax - 3;
    expect(fedavg.maximumRounds({ ...SETTINGS, stop: { rounds: most } })).toBe(LIMITS.roundsMax);
    expect(() => fedavg.maximumRounds({ ...SETTINGS, stop: { rounds: most + 1 } })).toThrow(/stop.rounds/);
    expect(() => fedavg.maximumRounds({ stop: { rounds: 5 } })).toThrow(
      expect.objectContaining({ code: 'PLAN' }),
    );
  });
});
