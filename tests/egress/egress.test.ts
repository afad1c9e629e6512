/** What an agent really puts on the wire, seen from outside: sums and signatures, and nothing of any row. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { TestAgent } from '../support/test-agent.ts';
import { TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyApplicants, tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

/** Incomes and ages that no other number looks like. */
const NUMBERS = [31_415.926_53, 27_182.818_28, 141_421.356, 57_721.566_49, 33.333_333, 61.803_398];
/** Text beside the contract, and in it. */
const WORDS = ['Mustermann-Zypresse', 'DE89370400440532013000', 'purpose-of-nobody-else'];

/** Every way in which a number might be written down. */
function formsOf(x: number): Buffer[] {
  const texts = [
    String(x),
    x.toFixed(2),
    x.toFixed(3),
    x.toExponential(3),
    x.toPrecision(7),
    String(Math.fround(x)),
  ];
  const binary = [x, Math.fround(x), Math.log(1 + x), Math.log1p(x)].flatMap((value) => {
    const forms = [4, 4, 8, 8].map((bytes) => Buffer.alloc(bytes));
    forms[0]!.writeFloatLE(value);
    forms[1]!.writeFloatBE(value);
    forms[2]!.writeDoubleLE(value);
    forms[3]!.writeDoubleBE(value);
    return forms;
  });
  return [...texts.map((text) => Buffer.from(text)), ...binary];
}

describe.each(['plain', 'masked'] as const)('the bytes an agent sends in a %s run', (aggregation) => {
  let coordinator: TestCoordinator;
  let proxy: RecordingProxy;
  let agent: TestAgent;
  let run: TestRun;
  let sent: Buffer[];
  let bodies: Buffer[];
  let all: Buffer;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database: 'postgres' });
    proxy = await RecordingProxy.before(coordinator.url);
    const applicants = tinyApplicants(60, 'watched').map((applicant, i) => ({
      ...applicant,
      ...(i < 4 ? { income: String(NUMBERS[i]) } : {}),
      ...(i >= 4 && i < 6 ? { age: String(NUMBERS[i]) } : {}),
      ...(i === 6 ? { purpose: WORDS[2]! } : {}),
    }));
    await TestAgent.joinAll(coordinator, ['other-a', 'other-b'], { answers: 'real' });
    agent = await TestAgent.join(coordinator, 'watched', { answers: 'real', applicants, url: proxy.url });
    // two columns the contract does not name, as real files have them
    const file = join(agent.folder, 'applicants.csv');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const wider = lines.map((line, i) => `${line},${i === 0 ? 'name,iban' : `${WORDS[0]},${WORDS[1]}`}`);
    await writeFile(file, `${wider.join('\n')}\n`);

    const plan = tinyPlan(['other-a', 'other-b', 'watched'], { rounds: 2, hidden: [4] });
    run = await TestRun.propose(coordinator, { ...plan, aggregation });
    const end = await run.finished();
    expect(end.outcome).toBe('completed');
    await agent.model(end.artefact!);
    await agent.stop();
    sent = proxy.sent();
    // small bodies travel as text with their messages: to be searched as they are, and as what they stand for
    const text = Buffer.concat(sent).toString('latin1');
    bodies = [...text.matchAll(/\},"([A-Za-z0-9_-]+)"\]/g)].map(([, body]) =>
      Buffer.from(body!, 'base64url'),
    );
    all = Buffer.concat([...sent, ...bodies]);
  });

  test('are all recorded: its updates and signatures are among them', async () => {
    const { answered } = (await run.view()).rounds[2]!;
    expect(answered).toContain('watched');
    expect(proxy.connections.length).toBeGreaterThanOrEqual(2);
    const mine = run.entries.flatMap(({ message }) =>
      (message.type === 'plain-input' || message.type === 'masked-input') &&
      message.payload.from === 'watched'
        ? [message]
        : [],
    );
    expect(mine.map(({ type }) => type)).toEqual(Array<string>(5).fill(`${aggregation}-input`));
    for (const { sig, payload } of mine) {
      expect(all.includes(sig)).toBe(true);
      expect(all.includes(Buffer.from(await coordinator.auditor.body(payload.vectorRoot)))).toBe(true);
    }
  });

  test('contain no value of any row, in any form', () => {
    const found: string[] = [];
    for (const x of NUMBERS) {
      for (const form of formsOf(x)) if (all.includes(form)) found.push(`${x} as ${form.toString('hex')}`);
    }
    for (const word of WORDS) {
      for (const encoding of ['utf8', 'utf16le'] as const) {
        if (all.includes(Buffer.from(word, encoding))) found.push(word);
      }
      for (const text of [
        Buffer.from(word).toString('base64').slice(0, -4),
        Buffer.from(word).toString('hex'),
      ]) {
        if (all.includes(text)) found.push(`${word} as ${text}`);
      }
    }
    expect(found).toEqual([]);
  });

  test('name no column, and nothing of the machine it runs on', async () => {
    for (const { name } of tinyContract.features)
      expect([name, all.includes(`"${name}"`)]).toEqual([name, false]);
    for (const text of [agent.folder, 'applicants.csv', 'iban', process.cwd()]) {
      expect([text, all.includes(text)]).toEqual([text, false]);
    }
  });

  test('are what the agent itself lists, and no more than heartbeats and progress beside it', async () => {
    const records = await (await agent.state()).egress();
    const listedBodies = records.filter(({ what }) => what === 'body');
    // it was enrolled over another connection of the same proxy
    const messages = records.filter(({ what }) => what !== 'body' && what !== 'enrol');
    expect(records.map(({ what }) => what).indexOf('enrol')).toBe(0);
    const text = Buffer.concat(sent).toString('latin1');
    expect(text).not.toContain('PUT /v1/bodies/'); // they are all small
    expect(text.match(/GET \/v1\/bodies\//g)).toHaveLength(1); // the contract: it was shown every sum
    expect(text.match(/\["submit-with-body",/g)).toHaveLength(listedBodies.length);
    expect(text.match(/\["submit(-with-body)?",/g)).toHaveLength(messages.length);
    expect(text.match(/POST \/v1\/enrolments/g)).toHaveLength(1);
    expect(bodies.map(({ length }) => Math.ceil((length * 4) / 3))).toEqual(
      listedBodies.map(({ bytes }) => bytes),
    );
    const events = new Set([...text.matchAll(/42\/agents,\d*\["([a-z-]+)"/g)].map(([, event]) => event));
    events.delete('progress'); // only of what takes a while
    expect([...events].sort()).toEqual(['authenticate', 'follow', 'submit', 'submit-with-body']);
    const listed = records.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(text.length - listed).toBeLessThan(30_000);
    for (const progress of text.matchAll(/\["progress",(\{[^}]*\})/g)) {
      expect(Object.keys(JSON.parse(progress[1]!) as object).sort()).toEqual([
        'fraction',
        'round',
        'run',
        'stage',
      ]);
    }
  });
});
