import { describe, expect, test } from 'vitest';
import { answererNamed } from '#models/answerers.ts';
import { programNamed } from '#models/catalogue.ts';

describe.each([
  ['programNamed', programNamed],
  ['answererNamed', answererNamed],
])('%s', (_name, find) => {
  test('knows every program', () => {
    for (const name of ['fedavg', 'gbdt']) expect(find(name), name).toBeDefined();
  });

  test('refuses every other name, also those that all objects have', () => {
    for (const name of [
      '',
      'FedAvg',
      'fedavg ',
      'xgboost',
      'constructor',
      'toString',
      '__proto__',
      'hasOwnProperty',
    ]) {
      expect(() => find(name), name).toThrow(expect.objectContaining({ code: 'PLAN' }));
    }
  });
});

test('a program says what there is instead', () => {
  expect(() => programNamed('xgboost')).toThrow(/"xgboost".*fedavg, gbdt/);
  expect(programNamed('fedavg').name).toBe('fedavg');
});
