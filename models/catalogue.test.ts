import { describe, expect, test } from 'vitest';
import { answererNamed } from '#models/answerers.ts';
import { programNamed } from '#models/catalogue.ts';

describe.each([
  ['programNamed', programNamed],
  ['answererNamed', answererNamed],
])('%s', (_name, find) => {
  test.each(['fedavg', 'gbdt', 'logistic', 'profile', 'scorecard'])('knows %s', (name) => {
    expect(find(name)).toBeDefined();
  });

  test('refuses every other name, also those that all objects have', () => {
    for (const name of [
      '',
      'FedAvg',
      'fedavg ',
      'forest',
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
  expect(() => programNamed('forest')).toThrow(/"forest".*fedavg/);
  expect(programNamed('fedavg').name).toBe('fedavg');
});
