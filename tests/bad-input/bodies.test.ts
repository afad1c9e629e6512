/** Wrong bodies of updates: uploaded, or with their messages; see two-banks.ts. */
import { request as httpRequest } from 'node:http';
import { beforeAll, describe, expect, test } from 'vitest';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import type { SubmitReply } from '#shared/protocol/socket-events.ts';
import { encodeFields } from '#shared/ring/encode.ts';
import { fieldLimit } from '#shared/ring/field.ts';
import { eventually } from '../support/eventually.ts';
import { bodyOf, stubAnswer, stubBody, stubSumRoot, type StubBody } from '../support/stub-answers.ts';
import type { Reply, TestBank } from '../support/test-bank.ts';
import type { TestRound, TestRun } from '../support/test-run.ts';
import { TwoBanks } from './two-banks.ts';

let banks: TwoBanks;
beforeAll(async () => {
  banks = await TwoBanks.start();
});

describe('bodies that come with their message', () => {
  test('one that is not text, not base64url or too long is SCHEMA, and the message is not taken without it', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    const { message, root, bytes } = run.input(bad, round);
    await bad.put(root, bytes); // so that the message alone would do
    const text = toBase64Url(bytes);
    const tooLong = new Uint8Array(LIMITS.bodyWithMessageBytesMax + 1);
    const wrong: unknown[] = [
      ...[undefined, null, 7, {}, [text], new ArrayBuffer(8)],
      ...[`${text}=`, `${text.slice(1)}!`, toBase64Url(tooLong)],
    ];
    for (const body of wrong) await banks.refused(bad.submitWithBody(message, body), 'SCHEMA');
    expect(await bad.submitWithBody(message, bytes)).toEqual({ ok: true, outcome: 'accepted' });
    await run.answer(honest, round);
    await banks.completes(run, 1);
  });

  test('one of another length is SHAPE, of another content VECROOT, and nothing of it stays', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    const { message, root, bytes } = run.input(bad, round);
    await banks.refused(bad.submitWithBody(message, new Uint8Array(0)), 'SHAPE');
    await banks.refused(bad.submitWithBody(message, bytes.subarray(8)), 'SHAPE');
    const lie = bytes.slice();
    lie[20]! ^= 1;
    await banks.refused(bad.submitWithBody(message, lie), 'VECROOT');
    await banks.refused(bad.submit(message), 'VECROOT');
    expect((await bad.http('HEAD', `/v1/bodies/${root}`)).status).toBe(404);
    expect(await bad.submitWithBody(message, bytes)).toEqual({ ok: true, outcome: 'accepted' });
    await run.answer(honest, round);
    const { sumRoot } = (await run.until('close-round')).payload;
    expect(sumRoot).toBe(stubSumRoot(round.asked, [bad.id, honest.id]));
    await banks.completes(run, 1);
  });

  test('with a message that is refused it is not kept, whoever sends it', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    const { message, root, bytes } = run.input(bad, round);
    const forged = { ...message, sig: run.input(honest, round).message.sig };
    await banks.refused(bad.submitWithBody(forged, bytes), 'SIG');
    await banks.refused(honest.submitWithBody(message, bytes), 'WRONG_SENDER');
    const foreign = run.input(banks.stranger, round);
    await banks.refused(banks.stranger.submitWithBody(foreign.message, foreign.bytes), 'WRONG_SENDER');
    for (const name of [root, foreign.root]) {
      const { status } = await bad.http('HEAD', `/v1/bodies/${name}`, {
        token: banks.coordinator.auditorToken,
      });
      expect(status).toBe(404);
    }
    await banks.completes(run);
  });

  test('with a message that names none it is SCHEMA', async () => {
    const { run, round, bad } = await banks.firstRound();
    const { bytes } = run.input(bad, round);
    const refusal = bad.sign('refuse-round', { ctx: round.ctx, from: bad.id, code: 'POLICY', reason: '' });
    await banks.refused(bad.submitWithBody(refusal, bytes), 'SCHEMA');
    await banks.refused(bad.submitWithBody(run.consentOf(bad), bytes), 'SCHEMA');
    await banks.completes(run);
  });

  test('again, with other content at the same moment, or after an upload: one update counts', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    const { message, root, bytes } = run.input(bad, round);
    const other = stubBody(round.asked.question, 'somebody else');
    const otherMessage = run.input(bad, round, { vectorRoot: other.root }).message;
    const replies = await Promise.all([
      bad.submitWithBody(message, bytes),
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
        const head = await bad.http('HEAD', `/v1/bodies/${name}`, { token: banks.coordinator.auditorToken });
        return head.status;
      }),
    );
    expect(kept).toEqual([200, 404]);
    const right = run.input(honest, round);
    await honest.put(right.root, right.bytes);
    expect(await honest.submitWithBody(right.message, right.bytes)).toEqual({
      ok: true,
      outcome: 'accepted',
    });
    const { sumRoot } = (await run.until('close-round')).payload;
    expect(sumRoot).toBe(stubSumRoot(round.asked, [bad.id, honest.id]));
    await banks.completes(run, 1);
  });

  test('a wrong canary is CANARY, a word beyond its field is RANGE, as in one that was uploaded', async () => {
    const { run, round: statistics, bad } = await banks.firstRound();
    await wrongWords(bad, run, statistics, (message, { bytes }) => bad.submitWithBody(message, bytes));
    await banks.completes(run);
  });
});

describe('bodies that are uploaded', () => {
  test('an update whose body is not here is VECROOT, until it is', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    const { message, root, bytes } = run.input(bad, round);
    await banks.refused(bad.submit(message), 'VECROOT');
    await bad.put(root, bytes.subarray(0, 40), { length: bytes.length });
    await banks.refused(bad.submit(message), 'VECROOT');
    await bad.put(root, bytes, { offset: 40 });
    expect(await bad.submit(message)).toMatchObject({ outcome: 'accepted' });
    await run.answer(honest, round);
    await banks.completes(run, 1);
  });

  test('bytes that do not hash to their name are VECROOT, and the right ones can still come', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    const { message, root, bytes } = run.input(bad, round);
    const lie = bytes.slice();
    lie[20]! ^= 1;
    for (let i = 0; i < 2; i++) {
      const reply = await bad.put(root, lie);
      expect([reply.status, reply.code]).toEqual([422, 'VECROOT']);
      await banks.refused(bad.submit(message), 'VECROOT');
    }
    expect((await bad.put(root, bytes)).status).toBe(201);
    expect(await bad.submit(message)).toMatchObject({ outcome: 'accepted' });
    await run.answer(honest, round);
    await banks.completes(run, 1);
  });

  test('an upload that breaks off goes on where it stood', async () => {
    const { run, round: statistics, bad, honest } = await banks.firstRound([600, 600]);
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
    // on a busy machine a line may break before anything of it is read
    await eventually('a part to be taken', async () => {
      if (stands === 0) await breakOff(bad, root, bytes, stands, 1_100_001);
      stands = await settledOffset(bad, root, 1_100_001);
      return stands > 0;
    });
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
    await banks.completes(run, 3);
  });

  test('a body that is shorter than announced stays open, a longer one is TOO_LARGE', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
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
    await banks.completes(run, 1);
  });

  test('only bodies of the length an open round expects may be uploaded', async () => {
    const { run, round, bad } = await banks.firstRound();
    const { root, bytes } = run.input(bad, round);
    for (const length of [0, bytes.length - 8, bytes.length + 8, 1e12 - 1]) {
      const reply = await bad.put(root, bytes.subarray(0, 8), { length });
      expect([length, reply.status, reply.code]).toEqual([length, 409, 'STATE']);
    }
    expect((await banks.stranger.put(root, bytes)).code).toBe('STATE');
    await banks.completes(run);
    expect((await bad.put(root, bytes)).code).toBe('STATE'); // no round is open any more
  });

  test('an upload without sound headers is SCHEMA', async () => {
    const { run, round, bad } = await banks.firstRound();
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
    await banks.completes(run);
  });

  test('an upload that is complete stays so, whatever offset is named afterwards', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    const { message, root, bytes } = run.input(bad, round);
    await bad.put(root, bytes);
    for (const offset of [0, bytes.length, bytes.length + 1_000_000]) {
      const { status } = await bad.put(root, bytes, { offset });
      expect([offset, status < 500]).toEqual([offset, true]);
    }
    expect(await bad.submit(message)).toMatchObject({ outcome: 'accepted' });
    await run.answer(honest, round);
    await banks.completes(run, 1);
  });

  test('a wrong canary is CANARY, a word beyond its field is RANGE; the honest update may still come', async () => {
    const { run, round: statistics, bad, honest } = await banks.firstRound();
    await wrongWords(bad, run, statistics);
    await Promise.all([run.answer(bad, statistics), run.answer(honest, statistics)]);
    const second = await run.round(1);
    await Promise.all([run.answer(bad, second), run.answer(honest, second)]);
    const training = await run.round(2);
    expect([statistics.asked.question.ring, training.asked.question.ring]).toEqual(['u64', 'u32']);
    await wrongWords(bad, run, training);
    await banks.completes(run, 2);
  });

  test('another bank learns nothing about an update: not its bytes, not even that it is there', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
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
    await banks.completes(run, 1);
  });

  test('a bank keeps a few unclaimed bodies here, not as many as it likes', async () => {
    const { run, round, bad } = await banks.firstRound();
    const roots: string[] = [];
    for (let i = 0; i < 9; i++) {
      const { root, bytes } = stubBody(round.asked.question, `junk ${i}`);
      roots.push(root);
      expect((await bad.put(root, bytes)).status).toBe(201);
    }
    const there = await Promise.all(roots.map((root) => bad.http('HEAD', `/v1/bodies/${root}`)));
    expect(there.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(5);
    await banks.completes(run);
  });
});

/** Signed and hashed correctly, but no honest bank's numbers. */
async function wrongWords(
  bad: TestBank,
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
    await banks.refused(send(run.input(bad, round, { vectorRoot: body.root }).message, body), code);
  }
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
