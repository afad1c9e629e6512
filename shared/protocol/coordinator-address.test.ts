import { expect, test } from 'vitest';
import { addressOf, socketAddressOf } from '#shared/protocol/coordinator-address.ts';

test.each([
  ['https://bank.example', 'https://bank.example/v1/runs', '/socket.io/'],
  ['https://bank.example:7400/', 'https://bank.example:7400/v1/runs', '/socket.io/'],
  ['https://bank.example/fl', 'https://bank.example/fl/v1/runs', '/fl/socket.io/'],
  ['https://bank.example/fl/', 'https://bank.example/fl/v1/runs', '/fl/socket.io/'],
])('everything of a coordinator at %s is below it', (coordinator, runs, path) => {
  expect(addressOf(coordinator, 'v1/runs').href).toBe(runs);
  const { origin } = new URL(coordinator);
  expect(socketAddressOf(coordinator, 'watch')).toEqual({ url: `${origin}/watch`, path });
});
