/** Somebody without a key and without a token, on the wire of a real coordinator. */
import { randomBytes } from 'node:crypto';
import { Manager } from 'socket.io-client';
import { beforeAll, describe, expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { signNewBankKey } from '#shared/ledger/key-rules.ts';
import { participantId } from '#shared/protocol/ids.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { closeLater } from '../support/opened.ts';
import { request, TestBank } from '../support/test-bank.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';

let coordinator: TestCoordinator;
let bank: TestBank;
beforeAll(async () => {
  coordinator = await TestCoordinator.start({ database: 'postgres', trustProxy: 1 });
  bank = await TestBank.join(coordinator, 'bank');
});

/** A line to the coordinator, by hand. */
class Line {
  readonly came: string[] = [];
  readonly closed: Promise<void>;
  readonly opened: Promise<boolean>;
  private readonly manager: Manager;

  /** @param address that the proxy in front of the coordinator has seen */
  constructor(address: string) {
    const extraHeaders = { 'x-forwarded-for': address };
    const manager = new Manager(coordinator.url, {
      ...{ transports: ['websocket'], reconnection: false, forceNew: true, extraHeaders },
    });
    this.manager = manager;
    this.closed = new Promise((resolve) => manager.once('close', () => resolve()));
    this.opened = new Promise((resolve) => {
      manager.once('error', () => resolve(false));
      manager.once('open', () => {
        manager.engine.on('message', (packet: string) => this.came.push(packet));
        resolve(true);
      });
    });
    closeLater(() => this.hangUp());
  }

  send(...packets: string[]): void {
    for (const packet of packets) this.manager.engine.write(packet);
  }

  hangUp(): void {
    this.manager.engine.close();
  }

  /** Joins the banks' namespace. @returns the nonce */
  async challenge(): Promise<string> {
    await this.opened;
    const challenged = new Promise<string>((resolve) =>
      this.manager.engine.on('message', (packet: string) => {
        const nonce = /"nonce":"([^"]+)"/.exec(packet)?.[1];
        if (nonce !== undefined) resolve(nonce);
      }),
    );
    this.send('0/agents,');
    return challenged;
  }

  /** What was answered to events, in order. */
  get answers(): string[] {
    return this.came.filter((packet) => packet.startsWith('3'));
  }
}

/** An answer to the challenge that has everything but the signature. */
function forged(nonce: string, from = 'bank'): object {
  const time = coordinator.clock.now();
  const payload = { nonce, charter: coordinator.charter, from, time, agentVersion: 'x' };
  return { type: 'authenticate', payload, sig: 'A'.repeat(86) };
}

const eventOf = (n: number, ...event: unknown[]): string => `2/agents,${n}${JSON.stringify(event)}`;

/** @returns whether the coordinator let it try */
async function fails(address: string): Promise<boolean> {
  const line = new Line(address);
  if (!(await line.opened)) return false;
  const nonce = await line.challenge();
  line.send(eventOf(1, 'authenticate', forged(nonce)));
  await line.closed;
  return true;
}

describe('a stranger', () => {
  test('is heard once: of many attempts on one line one is answered, then the line is closed', async () => {
    const line = new Line('192.0.2.1');
    const nonce = await line.challenge();
    const begun = performance.now();
    line.send(...Array.from({ length: 7 }, (_, i) => eventOf(i, 'authenticate', forged(nonce))));
    await line.closed;
    expect(performance.now() - begun).toBeLessThan(5000); // not only when its time is over
    expect(line.answers).toHaveLength(1);
    expect(line.answers[0]).toContain('"SIG"');
  });

  test.each([
    ['one large packet', (): string[] => [eventOf(1, 'authenticate', 'x'.repeat(200_000))]],
    ['nesting', (): string[] => [`2/agents,1["authenticate",${'['.repeat(90_000)}${']'.repeat(90_000)}]`]],
    ['many small packets', (): string[] => Array.from({ length: 2000 }, () => eventOf(1, 'x'))],
    ['pongs', (): string[] => Array.from({ length: 5000 }, () => '')],
  ])('has few bytes in all: %s ends the line', async (_what, packets) => {
    const line = new Line('192.0.2.2');
    await line.challenge();
    line.send(...packets());
    await line.closed;
    expect(line.answers).toEqual([]); // it was not even read
  });

  test('that failed as often as one may in a minute is refused before there is a line; others are not', async () => {
    const before = await coordinator.ledger();
    for (let i = 0; i < 60; i++) expect(await fails('192.0.2.3')).toBe(true);
    for (let i = 0; i < 5; i++) expect(await fails('192.0.2.3')).toBe(false);
    expect(await fails('192.0.2.4')).toBe(true);
    expect(await bank.ask('follow', { from: 0 })).toMatchObject({ ok: true });
    expect(await coordinator.ledger()).toEqual(before);
    coordinator.clock.advance(60_000);
    expect(await fails('192.0.2.3')).toBe(true);
  });

  test('of IPv6 is counted with its neighbours: it has as many addresses as it likes', async () => {
    for (let i = 0; i < 60; i++) expect(await fails(`2001:db8:0:1::${i.toString(16)}`)).toBe(true);
    expect(await fails('2001:db8:0:2::9')).toBe(false);
    expect(await fails('2001:db8:0:100::1')).toBe(true);
    coordinator.clock.advance(60_000);
  });

  test('that holds lines open gives its place up to whoever comes: a bank at its address gets in', async () => {
    const lines = Array.from({ length: 150 }, () => new Line('127.0.0.1'));
    let closed = 0;
    for (const line of lines) {
      void line.closed.then(() => closed++);
      expect(await line.opened).toBe(true);
    }
    const neighbour = await TestBank.join(coordinator, 'neighbour');
    expect(await neighbour.ask('follow', { from: 0 })).toMatchObject({ ok: true });
    expect(closed).toBeGreaterThanOrEqual(50);
    for (const line of lines) line.hangUp();
  });

  test('does not learn which banks there are: the answer to a name that nobody has is the same', async () => {
    await new TestBank(coordinator, 'enrolled').enrol(await new TestBank(coordinator, 'enrolled').invite());
    const onSocket = async (from: string): Promise<unknown> =>
      new TestBank(coordinator, 'bank').authenticate({ from });
    const overHttp = async (id: string): Promise<unknown> => {
      const [seed, next] = [new Uint8Array(randomBytes(32)), new Uint8Array(randomBytes(32))];
      const keys = {
        charter: coordinator.charter,
        from: participantId.parse(id),
        identityKey: toBase64Url(publicKeyOf(next)),
        witnessKey: toBase64Url(publicKeyOf(new Uint8Array(randomBytes(32)))),
      };
      const json = signMessage('rotate-key', { ...keys, proof: signNewBankKey(keys, next) }, seed);
      const reply = await request(coordinator.url, 'POST', `/v1/participants/${id}/keys`, { json });
      const { requestId: _, ...problem } = reply.json as { requestId: string };
      return problem;
    };
    for (const ask of [onSocket, overHttp]) {
      const answers = await Promise.all(['bank', 'enrolled', 'nobody'].map(ask));
      expect(answers[0]).toMatchObject({ code: 'SIG' });
      expect(answers[1]).toEqual(answers[0]);
      expect(answers[2]).toEqual(answers[0]);
    }
  });

  test('does not use up what an operator at the same address may ask', async () => {
    const limited = await TestCoordinator.start({ database: 'postgres', requestsPerMinute: 30 });
    const statuses: number[] = [];
    for (let i = 0; i < 40; i++) statuses.push((await request(limited.url, 'GET', '/v1/charter')).status);
    expect(statuses.at(-1)).toBe(429);
    expect((await limited.operator.get<{ runs: unknown[] }>('/v1/runs')).runs).toEqual([]);
  });

  test('has a small request read at most', async () => {
    const json = { type: 'enrol', payload: 'x'.repeat(LIMITS.strangerRequestBytesMax) };
    expect((await request(coordinator.url, 'POST', '/v1/enrolments', { json })).code).toBe('TOO_LARGE');
  });
});

test('a bank that is enrolled but not admitted hears so, as often as it asks', async () => {
  const waiting = new TestBank(coordinator, 'waiting');
  await waiting.enrol(await waiting.invite());
  for (let i = 0; i < 70; i++)
    expect(await waiting.authenticate()).toMatchObject({ code: 'UNKNOWN_PARTICIPANT' });
  await waiting.admit();
  expect(await waiting.authenticate()).toMatchObject({ ok: true });
});
