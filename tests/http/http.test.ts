/** The REST API as a whole: its description, its health, its metrics, its headers, and its proofs. */
import { beforeAll, describe, expect, test } from 'vitest';
import { fromBase64Url } from '#shared/crypto/base64.ts';
import { fromHex, utf8 } from '#shared/crypto/hash.ts';
import { leafHash } from '#shared/crypto/merkle-hash.ts';
import { openCheckpoint, type Checkpoint } from '#shared/ledger/checkpoint.ts';
import { isConsistent, isIncluded } from '#shared/ledger/merkle-tree.ts';
import { ERROR_CODES } from '#shared/protocol/error-codes.ts';
import { eventually } from '../support/eventually.ts';
import { request, TestBank, type HttpReply } from '../support/test-bank.ts';
import { DATABASES, TestCoordinator } from '../support/test-coordinator.ts';
import { TestRun } from '../support/test-run.ts';
import { tinyContract, tinyPlan } from '../support/tiny-bank-data.ts';

interface Operation {
  readonly summary: string;
  readonly security?: readonly Record<string, unknown>[];
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
  readonly requestBody?: { content: Record<string, { schema: object }> };
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema: object }[];
}
interface OpenApi {
  readonly openapi: string;
  readonly info: { title: string; version: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, object>; securitySchemes: Record<string, object> };
}

describe.each(DATABASES)('the REST API on %s', (database) => {
  let coordinator: TestCoordinator;
  let banks: TestBank[];
  let run: TestRun;
  let artefact: string;
  beforeAll(async () => {
    coordinator = await TestCoordinator.start({ database });
    banks = await TestBank.joinAll(coordinator, 'a', 'b', 'c');
    run = await TestRun.start(coordinator, banks);
    artefact = (await run.complete(banks)).artefact!;
  });

  const get = (path: string, token = coordinator.auditorToken): Promise<HttpReply> =>
    request(coordinator.url, 'GET', path, { token });

  describe('describes itself', () => {
    let document: OpenApi;
    beforeAll(async () => {
      document = (await get('/v1/openapi.json', '')).json as OpenApi;
    });

    test('as OpenAPI 3.1, each operation with its answers and its parameters', () => {
      expect(document.openapi).toMatch(/^3\.1\.\d+$/);
      expect(document.info).toEqual({
        title: expect.stringMatching(/./) as string,
        version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
      });
      expect(Object.keys(document.paths).length).toBeGreaterThanOrEqual(16);
      for (const [path, operations] of Object.entries(document.paths)) {
        expect(path).toMatch(/^\/v1\/[a-z{}./]+$/);
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        for (const [method, operation] of Object.entries(operations)) {
          const where = `${method} ${path}`;
          expect([where, ['get', 'put', 'post', 'delete', 'head', 'patch']]).toEqual([
            where,
            expect.arrayContaining([method]) as string[],
          ]);
          expect([where, operation.summary]).toEqual([where, expect.stringMatching(/.{10}/)]);
          expect([where, Object.keys(operation.responses).length]).not.toEqual([where, 0]);
          for (const [status, response] of Object.entries(operation.responses)) {
            expect([where, status]).toEqual([where, expect.stringMatching(/^([1-5]\d\d|default)$/)]);
            expect([where, response.description]).toEqual([where, expect.stringMatching(/./)]);
          }
          const named = (operation.parameters ?? []).filter((p) => p.in === 'path');
          expect([where, named.map((p) => p.name).sort()]).toEqual([where, [...inPath].sort()]);
          expect([where, named.every((p) => p.required === true)]).toEqual([where, true]);
          if (method === 'post')
            expect([where, operation.responses['default']]).not.toEqual([where, undefined]);
        }
      }
    });

    test('with references that lead somewhere', () => {
      const text = JSON.stringify(document);
      const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path!);
      expect(references.length).toBeGreaterThan(5);
      for (const path of new Set(references)) {
        const target = path
          .split('/')
          .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document);
        expect([path, typeof target]).toEqual([path, 'object']);
      }
      expect(document.components.securitySchemes['token']).toEqual({ type: 'http', scheme: 'bearer' });
    });

    test('truly: every operation in it answers, and asks for a token exactly where it says so', async () => {
      const known: Record<string, string> = { run: run.id, participant: 'a', name: 'nobody', root: artefact };
      for (const [path, operations] of Object.entries(document.paths)) {
        const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => known[name]!);
        for (const [method, { security }] of Object.entries(operations)) {
          const where = `${method} ${path}`;
          const body = method === 'post' ? { json: {} } : {};
          const anonymous = await request(coordinator.url, method.toUpperCase(), url, body);
          const open = security?.length === 0;
          expect([where, anonymous.status === 401]).toEqual([where, !open]);
          const token = coordinator.operatorToken;
          const reply = await request(coordinator.url, method.toUpperCase(), url, { ...body, token });
          // {} is not enough for most; but the route is there, and the answer is one of ours
          expect([where, reply.status, reply.code]).toSatisfy(
            ([, status, code]: [string, number, string | undefined]) =>
              status < 300 || (status < 500 && (code !== undefined || method === 'head')),
          );
          if (reply.code === 'NOT_FOUND') expect(path).toContain('{');
        }
      }
    });

    test('in the same words as it answers', async () => {
      const summary = document.paths['/v1/runs']!['get']!.responses['200']!;
      expect(summary.content!['application/json']!.schema).toBeDefined();
      const problem = document.components.schemas['Problem'] as { required: string[] };
      const refused = (await get('/v1/runs/x')).json as object;
      expect(Object.keys(refused)).toEqual(expect.arrayContaining(problem.required));
    });
  });

  test('says that it lives and that it can work, to anybody', async () => {
    expect(await get('/healthz', '')).toMatchObject({ status: 200, json: { status: 'ok' } });
    expect(await get('/readyz', '')).toMatchObject({ status: 200, json: { status: 'ready' } });
  });

  test('has metrics in the Prometheus format for auditors, with names of banks at most', async () => {
    expect((await get('/metrics', '')).code).toBe('UNAUTHENTICATED');
    expect((await banks[0]!.http('GET', '/metrics')).code).toBe('FORBIDDEN');
    const response = await fetch(`${coordinator.url}/metrics`, {
      headers: { authorization: `Bearer ${coordinator.auditorToken}` },
    });
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const sample = /^([a-z_0-9]+)(\{([a-z_]+="[^"\n]*")(,[a-z_]+="[^"\n]*")*\})? (-?[0-9.e+-]+|\+Inf|NaN)$/;
    const described = new Set<string>();
    for (const line of text.trimEnd().split('\n')) {
      if (line === '') continue;
      const comment = /^# (HELP|TYPE) ([a-z_0-9]+) .+$/.exec(line);
      if (comment !== null) described.add(comment[2]!);
      else {
        const [, name] = sample.exec(line) ?? [];
        expect([line, name]).toEqual([line, expect.stringMatching(/^(tallystick|process|nodejs)_/)]);
        expect([...described].some((base) => name!.startsWith(base))).toBe(true);
      }
    }
    for (const id of [
      run.id,
      artefact,
      coordinator.charter,
      ...run.entries.map(({ message }) => message.sig),
    ]) {
      expect(text).not.toContain(id.slice(0, 12));
    }
    expect(text).toContain('tallystick_rounds_total{outcome="closed"} 4');
    expect(text).toContain('tallystick_participant_up{participant="a"} 1');
    expect(text).toContain(`tallystick_log_size_leaves ${(await coordinator.ledger()).length}`);
    expect(text).toContain('tallystick_messages_total{type="plain-input",outcome="accepted"} 12');
  });

  test('counts the bytes of bodies that came and went, and nothing else', async () => {
    const counted = async (direction: string): Promise<number> => {
      const text = await coordinator.auditor.text('/metrics');
      const line = new RegExp(`^tallystick_body_bytes_total\\{direction="${direction}"\\} (\\d+)$`, 'm');
      return Number(line.exec(text)?.[1] ?? 0);
    };
    let uploaded = 0;
    for (const { message } of run.entries) {
      if (message.type === 'plain-input')
        uploaded += message.payload.length * (message.payload.ring === 'u32' ? 4 : 8);
    }
    expect(uploaded).toBeGreaterThan(0);
    expect(await counted('received')).toBe(uploaded);
    const before = await counted('sent');
    const { length } = await coordinator.auditor.body(artefact);
    expect(await counted('sent')).toBe(before + length);
    await banks[0]!.get(artefact, { range: 'bytes=0-6' });
    await banks[0]!.http('HEAD', `/v1/bodies/${artefact}`, { token: coordinator.auditorToken });
    await banks[0]!.get('0'.repeat(64));
    expect(await counted('sent')).toBe(before + length + 7);
  });

  test('shows a bank as connected until its last socket is gone', async () => {
    const [bank] = banks as [TestBank];
    const isUp = async (): Promise<string | undefined> =>
      /participant_up\{participant="a"\} (\d)/.exec(await coordinator.auditor.text('/metrics'))?.[1];
    const older = new TestBank(coordinator, 'a', bank.seed);
    await older.connect();
    older.disconnect();
    const gone = async (id: string): Promise<boolean> =>
      (await request(coordinator.url, 'GET', '/v1/bodies/x', { token: id })).status === 401;
    await eventually('the coordinator to notice', () => gone(older.token));
    expect(await isUp()).toBe('1');
    bank.disconnect();
    await eventually('it to be down', async () => (await isUp()) === '0');
    await bank.connect();
    expect(await isUp()).toBe('1');
  });

  test('counts what it refuses by code', async () => {
    await banks[0]!.submit({ type: 'x'.repeat(100) });
    await banks[0]!.submit({ type: 'constructor' });
    const text = await coordinator.auditor.text('/metrics');
    expect(text).toContain('tallystick_messages_total{type="unknown",outcome="rejected"} 2');
    expect(text).toContain('tallystick_update_rejected_total{reason="SCHEMA"} 2');
  });

  test('sends an id with each answer, and headers that keep browsers careful', async () => {
    const ids = new Set<string>();
    for (const path of ['/healthz', '/v1/charter', '/v1/runs', '/nowhere', `/v1/bodies/${artefact}`]) {
      const { headers } = await get(path);
      ids.add(headers.get('x-request-id')!);
      expect([path, headers.get('x-request-id')]).toEqual([path, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('SAMEORIGIN');
      expect(headers.get('strict-transport-security')).toMatch(/max-age=\d+/);
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
    expect(ids.size).toBe(5);
    const echoed = await request(coordinator.url, 'GET', '/healthz', { headers: { 'x-request-id': 'mine' } });
    expect(echoed.headers.get('x-request-id')).not.toBe('mine'); // ids in the log are ours
  });

  describe('proves its ledger:', () => {
    interface Proof {
      readonly size: number;
      readonly root: string;
      readonly proof: readonly string[];
    }
    let head: Checkpoint;
    let note: string;
    let leaves: Uint8Array[];
    beforeAll(async () => {
      const { origin, logKey } = await coordinator.auditor.get<{ origin: string; logKey: string }>(
        '/v1/charter',
      );
      note = await coordinator.auditor.text('/v1/ledger/checkpoint');
      head = openCheckpoint(note, origin, fromBase64Url(logKey));
      leaves = [];
      for await (const { text } of coordinator.auditor.entries()) leaves.push(leafHash(utf8(text)));
      expect(leaves).toHaveLength(head.size);
    });
    const inclusion = (index: number, size: number): Promise<Proof> =>
      coordinator.auditor.get(`/v1/ledger/proofs/inclusion?index=${index}&size=${size}`);
    const consistency = (from: number, to: number): Promise<Proof> =>
      coordinator.auditor.get(`/v1/ledger/proofs/consistency?from=${from}&to=${to}`);

    test('each entry is in the tree that the checkpoint signs', async () => {
      for (let index = 0; index < head.size; index++) {
        const { proof, root } = await inclusion(index, head.size);
        const path = proof.map(fromHex);
        expect(root).toBe(head.root);
        expect(isIncluded(leaves[index]!, index, head.size, path, fromHex(head.root))).toBe(true);
        expect(isIncluded(leaves[(index + 1) % head.size]!, index, head.size, path, fromHex(head.root))).toBe(
          false,
        );
      }
    });

    test('each earlier tree is the beginning of it', async () => {
      for (let from = 1; from <= head.size; from++) {
        const before = await inclusion(0, from);
        const { proof, root } = await consistency(from, head.size);
        expect(root).toBe(head.root);
        const path = proof.map(fromHex);
        expect(isConsistent(from, head.size, path, fromHex(before.root), fromHex(root))).toBe(true);
        const other = fromHex(before.root).map((byte, i) => (i === 3 ? byte ^ 1 : byte));
        expect(isConsistent(from, head.size, path, other, fromHex(root))).toBe(false);
      }
    });

    test('the checkpoint is signed by the key of the charter, over exactly this', async () => {
      const { origin, logKey, coordinatorKey } =
        await coordinator.auditor.get<Record<string, string>>('/v1/charter');
      const open = (text: string, key = logKey!): unknown =>
        openCheckpoint(text, origin!, fromBase64Url(key));
      expect(() => open(note, coordinatorKey!)).toThrow(expect.objectContaining({ code: 'SIG' }));
      expect(() => open(note.replace(`\n${head.size}\n`, `\n${head.size + 1}\n`))).toThrow(
        expect.objectContaining({ code: 'SIG' }),
      );
      await banks[0]!.coordinator.operator.post('/v1/invitations', {
        participant: 'later',
        url: coordinator.url,
      });
      const later = open(await coordinator.auditor.text('/v1/ledger/checkpoint')) as Checkpoint;
      expect(later.size).toBe(head.size + 1);
      const { proof } = await consistency(head.size, later.size);
      expect(
        isConsistent(head.size, later.size, proof.map(fromHex), fromHex(head.root), fromHex(later.root)),
      ).toBe(true);
    });
  });

  test('pages through the ledger without gap or overlap, whole or of one run', async () => {
    const whole = await coordinator.ledger();
    const seqs: number[] = [];
    for (let from: number | null = 0; from !== null;) {
      const page: { entries: { seq: number }[]; next: number | null } = await coordinator.auditor.get(
        `/v1/ledger/entries?from=${from}&limit=7`,
      );
      expect(page.entries.length).toBeLessThanOrEqual(7);
      seqs.push(...page.entries.map(({ seq }) => seq));
      from = page.next;
    }
    expect(seqs).toEqual(whole.map((_, seq) => seq));
    const ofRun = await coordinator.auditor.get<{ entries: { seq: number }[] }>(
      `/v1/ledger/entries?run=${run.id}&limit=500`,
    );
    expect(ofRun.entries.map(({ seq }) => seq)).toEqual(run.entries.map(({ seq }) => seq));
    expect(await coordinator.auditor.get('/v1/ledger/entries?from=100000')).toEqual({
      entries: [],
      next: null,
    });
  });

  test('lists runs newest first, and shows one whole', async () => {
    const { run: newer } = await coordinator.operator.post<{ run: string }>('/v1/runs', {
      contract: tinyContract,
      plan: tinyPlan(['a', 'b', 'c']),
    });
    const { runs } = await coordinator.auditor.get<{ runs: { run: string; phase: string }[] }>('/v1/runs');
    expect(runs.map((view) => [view.run, view.phase])).toEqual([
      [newer, 'proposed'],
      [run.id, 'finished'],
    ]);
    const view = await run.view();
    expect(view).toMatchObject({ run: run.id, phase: 'finished', roster: ['a', 'b', 'c'] });
    expect(view.result).toMatchObject({ outcome: 'completed', artefact });
    expect(view.rounds).toHaveLength(4);
    await coordinator.operator.post(`/v1/runs/${newer}/stop`, { reason: 'done' });
  });

  test('every code an answer may carry has its status in one table', () => {
    for (const [code, { status, title }] of Object.entries(ERROR_CODES)) {
      expect([code, status >= 400 && status < 600, title.length > 3]).toEqual([code, true, true]);
    }
  });
});
