/**
 * Many real agents in one process, for `npm run bench`: real sockets, uploads, signatures, recomputation; only
 * the training is replaced by numbers made once. Reads its banks from standard input as one JSON line, enrols
 * them, says "ready", and ends when its input does. Says its CPU time whenever it gets a line.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createAgent } from '#participant-agent/agent.ts';
import { systemClock } from '#shared/platform/clock.ts';
import { agentYaml } from '#participant-agent/config.ts';
import { createLogger } from '#participant-agent/logger.ts';
import { policyYaml } from '#participant-agent/policy/policy.ts';
import { LocalComputer } from '#participant-agent/training/run-computer.ts';
import type { Answer, CreateAnswerer } from '#models/program.ts';
import { collectLessOften } from '#scripts/commands/process-memory.ts';
import { OperatorClient } from '#scripts/operator/operator-client.ts';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { sha256, utf8 } from '#shared/crypto/hash.ts';
import { signMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { readInvitationCode } from '#shared/protocol/invitation-code.ts';
import { SeededGenerator } from '#shared/random/seeded-generator.ts';

export interface BenchAgentsInput {
  readonly folder: string;
  /** Data folder of the running coordinator. */
  readonly coordinatorFolder: string;
  readonly dataFile: string;
  readonly banks: readonly string[];
}

/** Each field filled with small seeded numbers, once; asked again it gives the same arrays. */
const answerWithoutTraining: CreateAnswerer = () => {
  const made = new Map<string, Answer>();
  return Promise.resolve({
    answer(question) {
      let answer = made.get(question.kind);
      if (answer === undefined) {
        const generator = new SeededGenerator('bench', question.kind);
        answer = Object.fromEntries(
          question.fields.map(({ name, length, clip }) => [
            name,
            new Float32Array(length).map(() => Math.min(clip, 100) * generator.nextUnit() * 0.001),
          ]),
        );
        if ('rows' in answer) answer = { ...answer, rows: Float64Array.of(60), bads: Float64Array.of(5) };
        if ('exampleCount' in answer) answer = { ...answer, exampleCount: Float64Array.of(1000) };
        made.set(question.kind, answer);
      }
      return Promise.resolve(answer);
    },
    dispose() {},
  });
};

async function startBank(id: string, input: BenchAgentsInput): Promise<() => Promise<void>> {
  const folder = join(input.folder, 'banks', id);
  await mkdir(folder, { recursive: true });
  const client = await OperatorClient.ofFolder(input.coordinatorFolder);
  const { url } = client;
  const { code } = await client.post<{ code: string }>('/v1/invitations', { participant: id, url });
  const { invite, token, charter } = readInvitationCode(code);
  const seed = sha256(utf8(`bench ${id} ${token}`)); // no sealing: 500 scrypts would be most of the bench
  const witness = sha256(utf8(`bench witness ${id} ${token}`));
  const identityKey = toBase64Url(publicKeyOf(seed));
  const witnessKey = toBase64Url(publicKeyOf(witness));
  await client.post(
    '/v1/enrolments',
    signMessage('enrol', { invite, from: id, token, identityKey, witnessKey, agentVersion: 'bench' }, seed),
  );
  await client.post(`/v1/participants/${id}/admission`, { fingerprint: keyFingerprint(identityKey) });
  await writeFile(
    join(folder, 'agent.yaml'),
    agentYaml({ url, charter, participant: id, dataFile: input.dataFile }),
  );
  await writeFile(
    join(folder, 'policy.yaml'),
    policyYaml({ consent: 'automatic', aggregation: ['masked', 'plain'] }),
  );
  const agent = await createAgent(
    folder,
    { identity: seed, witness },
    {
      clock: systemClock,
      log: createLogger('error'),
      createComputer: (dataFile) => new LocalComputer(dataFile, () => answerWithoutTraining),
    },
  );
  return () => agent.close();
}

collectLessOften('agent'); // as the process of an agent does
const lines = createInterface({ input: process.stdin });
let closing: (() => Promise<void>)[] = [];
lines.on('line', (line) => {
  if (closing.length > 0) {
    const { user, system } = process.cpuUsage();
    process.stdout.write(`${JSON.stringify({ cpuSeconds: (user + system) / 1e6 })}\n`);
    return;
  }
  const input = JSON.parse(line) as BenchAgentsInput;
  void (async () => {
    const started: (() => Promise<void>)[] = [];
    for (const id of input.banks) started.push(await startBank(id, input));
    closing = started;
    process.stdout.write('{"ready":true}\n');
  })();
});
lines.on('close', () => {
  void Promise.all(closing.map((close) => close())).then(() => process.exit(0));
});
