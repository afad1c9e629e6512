/** The way to the coordinator: its address, whom to believe that it is it, and a proxy in between; and requests on it. */
import { request as httpRequest, type Agent, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type AgentOptions } from 'node:https';
import { createSocketAgent, proxyFor, type Environment } from '#participant-agent/transport/proxy.ts';
import type { Trust } from '#participant-agent/transport/trust.ts';
import { addressOf } from '#shared/protocol/coordinator-address.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** A coordinator that says nothing for so long is taken for gone. */
const SILENCE_MS_MAX = 30_000;

export interface Way {
  /** As it was given. */
  readonly url: string;
  readonly trust: Trust;
  readonly proxy: URL | undefined;
  /** Where whoever gave the address can change it, for messages. */
  readonly addressIn: string;
  /** How whoever uses this way can trust another authority, for messages. */
  readonly trustIn: string;
  /** Below the coordinator's address. @param path without a slash at its beginning */
  at(path: string): URL;
  createAgent(settings?: AgentOptions): Agent;
}

const FOR_AGENTS = { addressIn: 'coordinator.url in agent.yaml', trustIn: 'name it as caFile in agent.yaml' };

/** @throws FederationError CONFIG when the environment names a proxy that is none */
export function wayTo(
  url: string,
  trust: Trust,
  words: Pick<Way, 'addressIn' | 'trustIn'> = FOR_AGENTS,
  environment: Environment = process.env,
): Way {
  const base = addressOf(url, '');
  const proxy = proxyFor(base, environment);
  return {
    ...{ url, trust, proxy, ...words },
    at: (path) => addressOf(base, path),
    createAgent: (settings = {}) =>
      createSocketAgent(base, proxy, { ...settings, ...(trust === undefined ? {} : { ca: [...trust] }) }),
  };
}

export interface Asked {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Most bytes of the answer. */
  readonly bytesMax: number;
  readonly silenceMsMax?: number;
  /** Connections to be used again. */
  readonly agent?: Agent;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Uint8Array;
}

/** One request. @throws FederationError TOO_LARGE; else what the network throws */
export function exchange(
  way: Way,
  path: string,
  { method, headers, body, bytesMax, silenceMsMax = SILENCE_MS_MAX, agent: kept }: Asked,
): Promise<Answer> {
  const url = way.at(path);
  const agent = kept ?? way.createAgent();
  return new Promise<Answer>((resolve, reject) => {
    const sending = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      agent,
      timeout: silenceMsMax,
      headers: {
        ...headers,
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    });
    sending.on('timeout', () =>
      sending.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    );
    sending.on('error', reject);
    sending.on('response', (response) => {
      const { statusCode: status = 0, headers: told } = response;
      readAll(response, bytesMax).then((bytes) => resolve({ status, headers: told, bytes }), reject);
    });
    sending.end(body);
  }).finally(() => {
    if (kept === undefined) agent.destroy();
  });
}

async function readAll(response: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for await (const piece of response as AsyncIterable<Uint8Array>) {
    total += piece.length;
    if (total > bytesMax) {
      response.destroy();
      throw new FederationError('TOO_LARGE', `expected an answer of at most ${bytesMax} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
