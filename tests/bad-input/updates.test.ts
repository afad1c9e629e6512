/**
 * What a bank may send wrongly about its updates. Each time: the right code, nothing recorded, and the honest
 * update afterwards is accepted and in the sum.
 */
import { request as httpRequest } from 'node:http';
import { beforeAll, describe, expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { createWords } from '#shared/ring/ring-sum.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { fieldLimit } from '#shared/ring/field.ts';
import { eventually } from '../support/eventually.ts';
import type { Reply } from '../support/test-bank.ts';
import { TestBank } from '../support/test-bank.ts';
import { bodyOf, stubAnswer, stubBody, type StubBody } from '../support/stub-answers.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun, type TestRound } from '../support/test-run.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import type { SubmitReply } from '#shared/protocol/socket-events.ts';

describe('wrong updates', () => {
  let coordinator: TestCoordinator;
  let bad: TestBank;
  let honest: TestBank;
  let names = 0;
  let stranger: TestBank;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
    stranger = await TestBank.join(coordinator, 'stranger');
  });

  /** A run of two fresh banks, in its first round. */
  async function firstRound(hidden: number[] = []): Promise<{ run: TestRun; round: TestRound }> {
    const n = ++names;
    [bad, honest] = (await TestBank.joinAll(coordinator, `bad-${n}`, `honest-${n}`)) as [TestBank, TestBank];
    const run = await TestRun.start(coordinator, [bad, honest], { hidden });
    return { run, round: await run.round(0) };
  }

  /** Both banks do what is right; then every round has exactly one update of each. */
  async function completes(run: TestRun, from = 0): Promise<void> {
    expect(await run.complete([bad, honest], from)).toMatchObject({ outcome: 'completed' });
    const inputs = run.entries.filter(({ message }) => message.type === 'plain-input');
    expect(inputs).toHaveLength(8); // four rounds of two banks
    const { rounds } = await run.view();
    for (const round of rounds) expect(round).toMatchObject({ outcome: 'closed', attempt: 0 });
  }

  async function refused(reply: Promise<Reply<SubmitReply>>, code: string): Promise<void> {
    const size = (await coordinator.ledger()).length;
    const outcome = code === 'LATE' ? 'discarded' : 'rejected';
    const { message, ...rest } = await reply;
    expect(rest).toEqual({ ok: true, outcome, code });
    expect(message).toMatch(/./);
    expect(await coordinator.ledger()).toHaveLength(size);
  }

  describe('messages', () => {
    test('what is not a message of the protocol is SCHEMA', async () => {
      const { run, round } = await firstRound();
      const good = run.input(bad, round).message;
      const wrong: unknown[] = [
        ...[null, 0, -1, '', 'x', true, [], [[]], {}],
        { type: 'plain-input' },
        { type: '__proto__', payload: {}, sig: good.sig },
        { type: 'no-such', payload: good.payload, sig: good.sig },
        JSON.stringify(good),
        [good],
        { ...good, extra: 1 },
        { ...good, sig: undefined },
        { ...good, sig: `${good.sig}=` },
        { ...good, sig: good.sig.slice(0, -1) },
        { ...good, payload: { ...good.payload, extra: 1 } },
        { ...good, payload: { ...good.payload, length: 1.5 } },
        { ...good, payload: { ...good.payload, length: String(good.payload.length) } },
        { ...good, payload: { ...good.payload, length: 2 ** 40 } },
        { ...good, payload: { ...good.payload, ctx: good.payload.ctx.toUpperCase() } },
        { ...good, payload: { ...good.payload, from: 'Bad Name' } },
        { ...good, payload: { ...good.payload, ring: 'u128' } },
        // what only others may say
        bad.sign('close-round', {
          ctx: round.ctx,
          survivors: [0],
          survivorsHash: round.ctx,
          sumRoot: round.ctx,
        }),
        bad.sign('enrol', {
          invite: round.ctx,
          from: bad.id,
          token: 'x'.repeat(30),
          identityKey: bad.identityKey,
          agentVersion: '',
        }),
      ];
      const size = (await coordinator.ledger()).length;
      for (const raw of wrong) {
        expect([raw, await bad.submit(raw)]).toMatchObject([
          raw,
          { ok: true, outcome: 'rejected', code: 'SCHEMA' },
        ]);
      }
      expect(await coordinator.ledger()).toHaveLength(size);
      await completes(run);
    });

    test('events with too few, too many or unknown arguments harm nobody', async () => {
      const { run } = await firstRound();
      for (const event of [
        'submit',
        'submit-with-body',
        'follow',
        'authenticate',
        'progress',
        'error',
        'entries',
        'challenge',
        'no-such',
      ]) {
        bad.wire.emit(event);
        bad.wire.emit(event, {}, 'not a callback', { at: 'all' });
        bad.wire.emit(event, new Uint8Array(10));
        bad.wire.emit(event, () => {});
      }
      expect(await bad.ask('follow', { from: -1 })).toMatchObject({ ok: false, code: 'SCHEMA' });
      expect(await bad.ask('follow', { from: '0' })).toMatchObject({ ok: false, code: 'SCHEMA' });
      expect(await bad.ask('follow', null)).toMatchObject({ ok: false, code: 'SCHEMA' });
      expect(await bad.ask('follow', { from: 2 ** 52 })).toEqual({ ok: true, entries: [], next: null });
      await completes(run);
    });

    test('a packet larger than the limit ends the socket that sent it, and nothing else', async () => {
      const { run } = await firstRound();
      const gone = bad.hungUp();
      bad.wire.emit('submit', { type: 'x'.repeat(1_100_000) });
      await gone;
      expect(honest.wire.connected).toBe(true);
      await bad.connect();
      await completes(run);
    });

    test('a signature that does not fit the message is SIG', async () => {
      const { run, round } = await firstRound();
      const { message } = run.input(bad, round);
      const flipped = `${message.sig.startsWith('A') ? 'B' : 'A'}${message.sig.slice(1)}`;
      await refused(bad.submit({ ...message, sig: flipped }), 'SIG');
      await refused(bad.submit({ ...message, sig: run.input(honest, round).message.sig }), 'SIG');
      await refused(
        bad.submit({ ...message, payload: { ...message.payload, vectorRoot: round.ctx } }),
        'SIG',
      );
      // signed for another purpose
      await refused(bad.submit({ ...message, sig: bad.sign('refuse-round', message.payload).sig }), 'SIG');
      await completes(run);
    });

    test('a message in the name of another bank is WRONG_SENDER, one with its key is SIG', async () => {
      const { run, round } = await firstRound();
      await refused(bad.submit(run.input(honest, round).message), 'WRONG_SENDER');
      await refused(bad.submit(run.input(bad, round, { from: honest.id }).message), 'WRONG_SENDER');
      const { payload } = run.input(bad, round).message;
      await refused(bad.submit(signMessage('plain-input', payload, honest.seed)), 'SIG');
      await completes(run);
    });

    test('a bank that is not in the run cannot answer for it', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(stranger, round);
      expect((await stranger.put(root, bytes)).code).toBe('STATE');
      await refused(stranger.submit(message), 'WRONG_SENDER');
      await refused(stranger.submit(run.consentOf(stranger)), 'WRONG_SENDER');
      await completes(run);
    });

    test('the same message again is accepted again and recorded once, also all at once', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(bad, round);
      await bad.put(root, bytes);
      const replies = await Promise.all(Array.from({ length: 20 }, () => bad.submit(message)));
      for (const reply of replies) expect(reply).toEqual({ ok: true, outcome: 'accepted' });
      expect(await bad.submit(message)).toEqual({ ok: true, outcome: 'accepted' });
      expect(run.entries.filter(({ message: { type } }) => type === 'plain-input')).toHaveLength(1);
      await run.answer(honest, round);
      await completes(run, 1);
      await refused(bad.submit(message), 'LATE'); // the round is over by now
    });

    test('an answer to an earlier round is LATE, to a round that never was STALE', async () => {
      const { run, round } = await firstRound();
      await Promise.all([run.answer(bad, round), run.answer(honest, round)]);
      await run.round(1);
      await refused(bad.submit(run.input(bad, round, { vectorRoot: round.ctx }).message), 'LATE');
      await refused(bad.submit(run.input(bad, round, { ctx: 'f'.repeat(64) }).message), 'STALE');
      await refused(run.refuse(bad, round), 'LATE');
      await completes(run, 1);
    });

    test('a second, different update is DUPLICATE, and so is a refusal after an update', async () => {
      const { run, round } = await firstRound();
      await run.answer(bad, round);
      const other = stubBody(round.asked.question, 'somebody else');
      await bad.put(other.root, other.bytes);
      await refused(bad.submit(run.input(bad, round, { vectorRoot: other.root }).message), 'DUPLICATE');
      await refused(run.refuse(bad, round), 'DUPLICATE');
      await run.answer(honest, round);
      const closed = await run.until('close-round');
      const expected = sumOf(round, [bad, honest]);
      expect(closed.payload.sumRoot).toBe(expected);
      await completes(run, 1);
    });

    test('of two different updates at the same moment one counts', async () => {
      const { run, round } = await firstRound();
      const one = run.input(bad, round);
      const other = stubBody(round.asked.question, 'somebody else');
      await bad.put(one.root, one.bytes);
      await bad.put(other.root, other.bytes);
      const two = run.input(bad, round, { vectorRoot: other.root }).message;
      const replies = await Promise.all([bad.submit(one.message), bad.submit(two)]);
      const outcomes = replies.map((reply) => (reply.ok ? (reply.code ?? reply.outcome) : 'failed'));
      expect(outcomes.toSorted()).toEqual(['DUPLICATE', 'accepted']); // either may be the first
      await run.answer(honest, round);
      const { sumRoot } = (await run.until('close-round')).payload;
      if (outcomes[0] === 'accepted') expect(sumRoot).toBe(sumOf(round, [bad, honest]));
      await completes(run, 1);
    });

    test('of many different updates at the same moment the body of one is kept', async () => {
      const { run, round } = await firstRound();
      const roots: string[] = [];
      for (const name of ['one', 'two', 'three', 'four']) {
        const { root, bytes } = stubBody(round.asked.question, name);
        await bad.put(root, bytes);
        roots.push(root);
      }
      const replies = await Promise.all(
        roots.map((vectorRoot) => bad.submit(run.input(bad, round, { vectorRoot }).message)),
      );
      const outcomes = replies.map((reply) => (reply.ok ? (reply.code ?? reply.outcome) : 'failed'));
      expect(outcomes.toSorted()).toEqual(['DUPLICATE', 'DUPLICATE', 'DUPLICATE', 'accepted']);
      const kept = await Promise.all(
        roots.map(async (root) => {
          const { status } = await bad.http('HEAD', `/v1/bodies/${root}`, {
            token: coordinator.auditorToken,
          });
          return status === 200;
        }),
      );
      expect(kept).toEqual(outcomes.map((outcome) => outcome === 'accepted'));
      await run.answer(honest, round);
      await completes(run, 1);
    });

    test('another ring or length than asked is SHAPE', async () => {
      const { run, round } = await firstRound();
      const { length } = round.asked;
      await refused(bad.submit(run.input(bad, round, { ring: 'u32' }).message), 'SHAPE');
      await refused(bad.submit(run.input(bad, round, { length: length + 1 }).message), 'SHAPE');
      await refused(bad.submit(run.input(bad, round, { length: 1 }).message), 'SHAPE');
      await completes(run);
    });
  });

  describe('bodies that come with their message', () => {
    test('one that is not text, not base64url or too long is SCHEMA, and the message is not taken without it', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(bad, round);
      await bad.put(root, bytes); // so that the message alone would do
      const text = toBase64Url(bytes);
      const wrong: unknown[] = [
        undefined,
        null,
        7,
        {},
        [text],
        new ArrayBuffer(8),
        `${text}=`,
        `${text.slice(1)}!`,
      ];
      wrong.push(toBase64Url(new Uint8Array(LIMITS.bodyWithMessageBytesMax + 1)));
      for (const body of wrong) await refused(bad.submitWithBody(message, body), 'SCHEMA');
      expect(await bad.submitWithBody(message, bytes)).toEqual({ ok: true, outcome: 'accepted' });
      await run.answer(honest, round);
      await completes(run, 1);
    });

    test('one of another length is SHAPE, of another content VECROOT, and nothing of it stays', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(bad, round);
      await refused(bad.submitWithBody(message, new Uint8Array(0)), 'SHAPE');
      await refused(bad.submitWithBody(message, bytes.subarray(8)), 'SHAPE');
      const lie = bytes.slice();
      lie[20]! ^= 1;
      await refused(bad.submitWithBody(message, lie), 'VECROOT');
      await refused(bad.submit(message), 'VECROOT');
      expect((await bad.http('HEAD', `/v1/bodies/${root}`)).status).toBe(404);
      expect(await bad.submitWithBody(message, bytes)).toEqual({ ok: true, outcome: 'accepted' });
      await run.answer(honest, round);
      const { sumRoot } = (await run.until('close-round')).payload;
      expect(sumRoot).toBe(sumOf(round, [bad, honest]));
      await completes(run, 1);
    });

    test('with a message that is refused it is not kept, whoever sends it', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(bad, round);
      const forged = { ...message, sig: run.input(honest, round).message.sig };
      await refused(bad.submitWithBody(forged, bytes), 'SIG');
      await refused(honest.submitWithBody(message, bytes), 'WRONG_SENDER');
      const foreign = run.input(stranger, round);
      await refused(stranger.submitWithBody(foreign.message, foreign.bytes), 'WRONG_SENDER');
      for (const name of [root, foreign.root]) {
        const { status } = await bad.http('HEAD', `/v1/bodies/${name}`, { token: coordinator.auditorToken });
        expect(status).toBe(404);
      }
      await completes(run);
    });

    test('with a message that names none it is SCHEMA', async () => {
      const { run, round } = await firstRound();
      const { bytes } = run.input(bad, round);
      const refusal = bad.sign('refuse-round', { ctx: round.ctx, from: bad.id, code: 'POLICY', reason: '' });
      await refused(bad.submitWithBody(refusal, bytes), 'SCHEMA');
      await refused(bad.submitWithBody(run.consentOf(bad), bytes), 'SCHEMA');
      await completes(run);
    });

    test('again, with other content at the same moment, or after an upload: one update counts', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(bad, round);
      const other = stubBody(round.asked.question, 'somebody else');
      const otherMessage = run.input(bad, round, { vectorRoot: other.root }).message;
      const first = bad.submitWithBody(message, bytes);
      const replies = await Promise.all([
        first,
        bad.submitWithBody(message, bytes),
        bad.submitWithBody(otherMessage, other.bytes),
      ]);
      expect(replies.map((reply) => (reply.ok ? (reply.code ?? reply.outcome) : 'failed'))).toEqual([
        'accepted',
        'accepted',
        'DUPLICATE',
      ]);
      expect(await bad.submit(message)).toEqual({ ok: true, outcome: 'accepted' });
      const kept = await Promise.all(
        [root, other.root].map(async (name) => {
          const head = await bad.http('HEAD', `/v1/bodies/${name}`, { token: coordinator.auditorToken });
          return head.status;
        }),
      );
      expect(kept).toEqual([200, 404]);
      await honest.put(run.input(honest, round).root, run.input(honest, round).bytes);
      const { message: honestly, bytes: uploaded } = run.input(honest, round);
      expect(await honest.submitWithBody(honestly, uploaded)).toEqual({ ok: true, outcome: 'accepted' });
      const { sumRoot } = (await run.until('close-round')).payload;
      expect(sumRoot).toBe(sumOf(round, [bad, honest]));
      await completes(run, 1);
    });

    test('a wrong canary is CANARY, a word beyond its field is RANGE, as in one that was uploaded', async () => {
      const { run, round: statistics } = await firstRound();
      await wrongWords(run, statistics, (message, { bytes }) => bad.submitWithBody(message, bytes));
      await completes(run);
    });
  });

  describe('bodies', () => {
    test('an update whose body is not here is VECROOT, until it is', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(bad, round);
      await refused(bad.submit(message), 'VECROOT');
      await bad.put(root, bytes.subarray(0, 40), { length: bytes.length });
      await refused(bad.submit(message), 'VECROOT');
      await bad.put(root, bytes, { offset: 40 });
      expect(await bad.submit(message)).toMatchObject({ outcome: 'accepted' });
      await run.answer(honest, round);
      await completes(run, 1);
    });

    test('bytes that do not hash to their name are VECROOT, and the right ones can still come', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(bad, round);
      const lie = bytes.slice();
      lie[20]! ^= 1;
      for (let i = 0; i < 2; i++) {
        const reply = await bad.put(root, lie);
        expect([reply.status, reply.code]).toEqual([422, 'VECROOT']);
        await refused(bad.submit(message), 'VECROOT');
      }
      expect((await bad.put(root, bytes)).status).toBe(201);
      expect(await bad.submit(message)).toMatchObject({ outcome: 'accepted' });
      await run.answer(honest, round);
      await completes(run, 1);
    });

    test('an upload that breaks off goes on where it stood', async () => {
      const { run, round: statistics } = await firstRound([600, 600]);
      await Promise.all([run.answer(bad, statistics), run.answer(honest, statistics)]);
      const second = await run.round(1);
      await Promise.all([run.answer(bad, second), run.answer(honest, second)]);
      const round = await run.round(2);
      const { message, root, bytes } = run.input(bad, round);
      expect(bytes.length).toBeGreaterThan(1_200_000); // more than one chunk of the hash

      let stands = 0;
      for (const upTo of [1000, 1_048_576, 1_100_001]) {
        await breakOff(bad, root, bytes, stands, upTo);
        stands = await settledOffset(bad, root, upTo);
        expect(stands).toBeLessThanOrEqual(upTo);
      }
      expect(stands).toBeGreaterThan(0);
      const wrong = await bad.put(root, bytes, { offset: bytes.length - 1 });
      expect([wrong.status, wrong.code]).toEqual([409, 'STATE']);
      // what the line still held when it broke may come in later than somebody asked
      await eventually('the rest to be taken', async () => {
        stands = await settledOffset(bad, root, 1_100_001);
        return (await bad.put(root, bytes, { offset: stands })).status === 201;
      });
      expect((await bad.http('HEAD', `/v1/bodies/${root}`)).status).toBe(200);
      expect(await bad.submit(message)).toMatchObject({ outcome: 'accepted' });
      await run.answer(honest, round);
      await completes(run, 3);
    });

    test('a body that is shorter than announced stays open, a longer one is TOO_LARGE', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(bad, round);
      const short = await bad.put(root, bytes.subarray(0, 50), { length: bytes.length });
      expect([short.status, short.headers.get('upload-offset')]).toEqual([202, '50']);
      const longer = new Uint8Array(bytes.length + 8);
      longer.set(bytes);
      const long = await bad.put(root, longer, { offset: 50, length: bytes.length });
      expect([long.status, long.code]).toEqual([413, 'TOO_LARGE']);
      expect((await bad.put(root, bytes)).status).toBe(201);
      expect(await bad.submit(message)).toMatchObject({ outcome: 'accepted' });
      await run.answer(honest, round);
      await completes(run, 1);
    });

    test('only bodies of the length an open round expects may be uploaded', async () => {
      const { run, round } = await firstRound();
      const { root, bytes } = run.input(bad, round);
      for (const length of [0, bytes.length - 8, bytes.length + 8, 1e12 - 1]) {
        const reply = await bad.put(root, bytes.subarray(0, 8), { length });
        expect([length, reply.status, reply.code]).toEqual([length, 409, 'STATE']);
      }
      expect((await stranger.put(root, bytes)).code).toBe('STATE');
      await completes(run);
      expect((await bad.put(root, bytes)).code).toBe('STATE'); // no round is open any more
    });

    test('an upload without sound headers is SCHEMA', async () => {
      const { run, round } = await firstRound();
      const { root, bytes } = run.input(bad, round);
      const body = new Uint8Array(bytes);
      const headers: Record<string, string>[] = [
        {},
        { 'upload-offset': '0' },
        { 'upload-length': String(bytes.length) },
        { 'upload-offset': '-1', 'upload-length': String(bytes.length) },
        { 'upload-offset': '0x0', 'upload-length': String(bytes.length) },
        { 'upload-offset': '1e3', 'upload-length': String(bytes.length) },
        { 'upload-offset': '0', 'upload-length': '9'.repeat(13) },
      ];
      for (const wrong of headers) {
        const reply = await bad.http('PUT', `/v1/bodies/${root}`, { headers: wrong, body });
        expect([wrong, reply.status, reply.code]).toEqual([wrong, 400, 'SCHEMA']);
      }
      for (const name of [
        'x',
        root.slice(1),
        root.toUpperCase().replaceAll(/\d/g, 'A'),
        '..%2f..%2fkeys%2fledger.json',
      ]) {
        expect((await bad.put(name, bytes)).code).toBe('SCHEMA');
        expect((await bad.get(name)).code).toBe('SCHEMA');
      }
      await completes(run);
    });

    test('an upload that is complete stays so, whatever offset is named afterwards', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(bad, round);
      await bad.put(root, bytes);
      for (const offset of [0, bytes.length, bytes.length + 1_000_000]) {
        const { status } = await bad.put(root, bytes, { offset });
        expect([offset, status < 500]).toEqual([offset, true]);
      }
      expect(await bad.submit(message)).toMatchObject({ outcome: 'accepted' });
      await run.answer(honest, round);
      await completes(run, 1);
    });

    test('a wrong canary is CANARY, a word beyond its field is RANGE; the honest update may still come', async () => {
      const { run, round: statistics } = await firstRound();
      await wrongWords(run, statistics);
      await Promise.all([run.answer(bad, statistics), run.answer(honest, statistics)]);
      const second = await run.round(1);
      await Promise.all([run.answer(bad, second), run.answer(honest, second)]);
      const training = await run.round(2);
      expect([statistics.asked.question.ring, training.asked.question.ring]).toEqual(['u64', 'u32']);
      await wrongWords(run, training);
      await completes(run, 2);
    });

    test('another bank learns nothing about an update: not its bytes, not even that it is there', async () => {
      const { run, round } = await firstRound();
      const { message, root, bytes } = run.input(honest, round);
      await honest.put(root, bytes);
      expect((await bad.get(root)).code).toBe('NOT_FOUND');
      expect((await bad.http('HEAD', `/v1/bodies/${root}`)).status).toBe(404);
      await honest.submit(message);
      // somebody who guesses what another bank counted must not be told that the guess was right
      expect((await bad.get(root)).code).toBe('NOT_FOUND');
      expect((await bad.http('HEAD', `/v1/bodies/${root}`)).status).toBe(404);
      const claimed = await bad.put(root, bytes.subarray(0, 8), { length: bytes.length });
      expect(claimed.status).toBe(202);
      await run.answer(bad, round);
      await completes(run, 1);
    });

    test('a bank keeps a few unclaimed bodies here, not as many as it likes', async () => {
      const { run, round } = await firstRound();
      const roots: string[] = [];
      for (let i = 0; i < 9; i++) {
        const { root, bytes } = stubBody(round.asked.question, `junk ${i}`);
        roots.push(root);
        expect((await bad.put(root, bytes)).status).toBe(201);
      }
      const there = await Promise.all(roots.map((root) => bad.http('HEAD', `/v1/bodies/${root}`)));
      expect(there.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(5);
      await completes(run);
    });
  });

  /** Signed and hashed correctly, but no honest bank's numbers. */
  async function wrongWords(
    run: TestRun,
    round: TestRound,
    send: (message: unknown, body: StubBody) => Promise<Reply<SubmitReply>> = async (message, body) => {
      expect((await bad.put(body.root, body.bytes)).status).toBe(201);
      return bad.submit(message);
    },
  ): Promise<void> {
    const { question } = round.asked;
    const { fields, ring } = question;
    const wrong: [code: string, word: number, value: number][] = [
      ['CANARY', 0, 0],
      ['CANARY', 0, 2],
      ['CANARY', 0, -1],
      ['RANGE', 1, fieldLimit(fields[0]!) + 1],
      ['RANGE', 1, -fieldLimit(fields[0]!) - 1],
      ['RANGE', round.asked.length - 1, fieldLimit(fields.at(-1)!) + 1],
    ];
    for (const [code, word, value] of wrong) {
      const words = encodeFields(stubAnswer(question, bad.id), fields, ring, 'unused');
      if (words instanceof BigUint64Array) words[word] = BigInt.asUintN(64, BigInt(value));
      else words[word] = value;
      const body = bodyOf(words);
      await refused(send(run.input(bad, round, { vectorRoot: body.root }).message, body), code);
    }
  }
});

/** Root of what the honest answers of these banks add up to. */
function sumOf({ asked }: TestRound, banks: readonly TestBank[]): string {
  const { question } = asked;
  const sum = createWords(question.ring, asked.length);
  for (const bank of banks) {
    const words = encodeFields(stubAnswer(question, bank.id), question.fields, question.ring, 'unused');
    for (let i = 0; i < words.length; i++) {
      if (sum instanceof BigUint64Array) sum[i] = sum[i]! + (words[i] as bigint);
      else sum[i] = sum[i]! + (words[i] as number);
    }
  }
  return bodyOf(sum).root;
}

/** Sends the bytes up to `upTo` of an upload and then cuts the line. */
function breakOff(
  bank: TestBank,
  root: string,
  bytes: Uint8Array,
  offset: number,
  upTo: number,
): Promise<void> {
  return new Promise((resolve) => {
    const upload = httpRequest(new URL(`/v1/bodies/${root}`, bank.coordinator.url), {
      method: 'PUT',
      headers: {
        authorization: `Bearer ${bank.token}`,
        'upload-offset': String(offset),
        'upload-length': String(bytes.length),
        'content-length': String(bytes.length - offset),
      },
    });
    upload.on('error', () => {});
    upload.on('close', resolve);
    upload.write(bytes.subarray(offset, upTo), () => upload.destroy());
  });
}

/** Where an upload stands once the coordinator has noticed that its sender is gone. */
async function settledOffset(bank: TestBank, root: string, upTo: number): Promise<number> {
  for (let before = -1; ;) {
    const head = await bank.http('HEAD', `/v1/bodies/${root}`);
    const offset = Number(head.headers.get('upload-offset'));
    if (offset === before || offset >= upTo) return offset;
    before = offset;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
