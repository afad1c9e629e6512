import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { addressGroup, clientAddress } from '#coordinator/participants/client-address.ts';

const from = (forwarded?: string): IncomingMessage =>
  ({
    socket: { remoteAddress: '10.0.0.1' },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage;

test('without proxies of our own it is the other end of the line, whatever a header says', () => {
  expect(clientAddress(from(), 0)).toBe('10.0.0.1');
  expect(clientAddress(from('192.0.2.7'), 0)).toBe('10.0.0.1');
});

test('behind proxies it is what the outermost of them saw; what is left of that is made up', () => {
  expect(clientAddress(from('192.0.2.7'), 1)).toBe('192.0.2.7');
  expect(clientAddress(from('198.51.100.3, 192.0.2.7'), 1)).toBe('192.0.2.7');
  expect(clientAddress(from('198.51.100.3, 192.0.2.7 ,10.0.0.2'), 2)).toBe('192.0.2.7');
  expect(clientAddress(from('192.0.2.7'), 2)).toBe('192.0.2.7'); // one of them was passed by
  expect(clientAddress(from(), 1)).toBe('10.0.0.1');
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2ff::7', '2001:db8:1:200::/56'],
  ['2001:db8::1', '2001:db8:0:0::/56'],
  ['::1', '0:0:0:0::/56'],
  ['fe80::1%eth0', 'fe80:0:0:0::/56'],
  ['made up', 'made up'],
])('%s is counted as %s', (address, counted) => {
  expect(addressGroup(address)).toBe(counted);
});
