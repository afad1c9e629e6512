/** What a bank may send wrongly about its updates; see two-banks.ts. */
import { beforeAll, describe, expect, test } from 'vitest';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { stubBody, stubSumRoot } from '../support/stub-answers.ts';
import { TwoBanks } from './two-banks.ts';

let banks: TwoBanks;
beforeAll(async () => {
  banks = await TwoBanks.start();
});

describe('wrong messages', () => {
  test('what is not a message of the protocol is SCHEMA', async () => {
    const { run, round, bad } = await banks.firstRound();
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
    const size = (await banks.coordinator.ledger()).length;
    for (const raw of wrong) {
      expect([raw, await bad.submit(raw)]).toMatchObject([
        raw,
        { ok: true, outcome: 'rejected', code: 'SCHEMA' },
      ]);
    }
    expect(await banks.coordinator.ledger()).toHaveLength(size);
    await banks.completes(run);
  });

  test('events with too few, too many or unknown arguments harm nobody', async () => {
    const { run, bad } = await banks.firstRound();
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
    await banks.completes(run);
  });

  test('a packet larger than the limit ends the socket that sent it, and nothing else', async () => {
    const { run, bad, honest } = await banks.firstRound();
    const gone = bad.hungUp();
    bad.wire.emit('submit', { type: 'x'.repeat(1_100_000) });
    await gone;
    expect(honest.wire.connected).toBe(true);
    await bad.connect();
    await banks.completes(run);
  });

  test('a signature that does not fit the message is SIG', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    const { message } = run.input(bad, round);
    const flipped = `${message.sig.startsWith('A') ? 'B' : 'A'}${message.sig.slice(1)}`;
    await banks.refused(bad.submit({ ...message, sig: flipped }), 'SIG');
    await banks.refused(bad.submit({ ...message, sig: run.input(honest, round).message.sig }), 'SIG');
    await banks.refused(
      bad.submit({ ...message, payload: { ...message.payload, vectorRoot: round.ctx } }),
      'SIG',
    );
    // signed for another purpose
    await banks.refused(
      bad.submit({ ...message, sig: bad.sign('refuse-round', message.payload).sig }),
      'SIG',
    );
    await banks.completes(run);
  });

  test('a message in the name of another bank is WRONG_SENDER, one with its key is SIG', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    await banks.refused(bad.submit(run.input(honest, round).message), 'WRONG_SENDER');
    await banks.refused(bad.submit(run.input(bad, round, { from: honest.id }).message), 'WRONG_SENDER');
    const { payload } = run.input(bad, round).message;
    await banks.refused(bad.submit(signMessage('plain-input', payload, honest.seed)), 'SIG');
    await banks.completes(run);
  });

  test('a bank that is not in the run cannot answer for it', async () => {
    const { run, round } = await banks.firstRound();
    const { message, root, bytes } = run.input(banks.stranger, round);
    expect((await banks.stranger.put(root, bytes)).code).toBe('STATE');
    await banks.refused(banks.stranger.submit(message), 'WRONG_SENDER');
    await banks.refused(banks.stranger.submit(run.consentOf(banks.stranger)), 'WRONG_SENDER');
    await banks.completes(run);
  });

  test('the same message again is accepted again and recorded once, also all at once', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    const { message, root, bytes } = run.input(bad, round);
    await bad.put(root, bytes);
    const replies = await Promise.all(Array.from({ length: 20 }, () => bad.submit(message)));
    for (const reply of replies) expect(reply).toEqual({ ok: true, outcome: 'accepted' });
    expect(await bad.submit(message)).toEqual({ ok: true, outcome: 'accepted' });
    expect(run.entries.filter(({ message: { type } }) => type === 'plain-input')).toHaveLength(1);
    await run.answer(honest, round);
    await banks.completes(run, 1);
    await banks.refused(bad.submit(message), 'LATE'); // the round is over by now
  });

  test('an answer to an earlier round is LATE, to a round that never was STALE', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    await Promise.all([run.answer(bad, round), run.answer(honest, round)]);
    await run.round(1);
    await banks.refused(bad.submit(run.input(bad, round, { vectorRoot: round.ctx }).message), 'LATE');
    await banks.refused(bad.submit(run.input(bad, round, { ctx: 'f'.repeat(64) }).message), 'STALE');
    await banks.refused(run.refuse(bad, round), 'LATE');
    await banks.completes(run, 1);
  });

  test('a second, different update is DUPLICATE, and so is a refusal after an update', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
    await run.answer(bad, round);
    const other = stubBody(round.asked.question, 'somebody else');
    await bad.put(other.root, other.bytes);
    await banks.refused(bad.submit(run.input(bad, round, { vectorRoot: other.root }).message), 'DUPLICATE');
    await banks.refused(run.refuse(bad, round), 'DUPLICATE');
    await run.answer(honest, round);
    const closed = await run.until('close-round');
    const expected = stubSumRoot(round.asked, [bad.id, honest.id]);
    expect(closed.payload.sumRoot).toBe(expected);
    await banks.completes(run, 1);
  });

  test('of two different updates at the same moment one counts', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
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
    if (outcomes[0] === 'accepted') expect(sumRoot).toBe(stubSumRoot(round.asked, [bad.id, honest.id]));
    await banks.completes(run, 1);
  });

  test('of many different updates at the same moment the body of one is kept', async () => {
    const { run, round, bad, honest } = await banks.firstRound();
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
          token: banks.coordinator.auditorToken,
        });
        return status === 200;
      }),
    );
    expect(kept).toEqual(outcomes.map((outcome) => outcome === 'accepted'));
    await run.answer(honest, round);
    await banks.completes(run, 1);
  });

  test('another ring or length than asked is SHAPE', async () => {
    const { run, round, bad } = await banks.firstRound();
    const { length } = round.asked;
    await banks.refused(bad.submit(run.input(bad, round, { ring: 'u32' }).message), 'SHAPE');
    await banks.refused(bad.submit(run.input(bad, round, { length: length + 1 }).message), 'SHAPE');
    await banks.refused(bad.submit(run.input(bad, round, { length: 1 }).message), 'SHAPE');
    await banks.completes(run);
  });
});
