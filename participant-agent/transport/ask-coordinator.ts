/**
 * One request to the coordinator outside the socket: before there is one, about the key it is opened with, or when it is
 * not believed any more.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { problemOf } from '#participant-agent/transport/problem.ts';
import type { Trust } from '#participant-agent/transport/trust.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** A coordinator that says nothing for so long is taken for gone. */
const SILENCE_MS_MAX = 30_000;
/** Of an answer: a proof of consistency has 64 hashes at most, a charter a few keys. */
const BYTES_MAX = 1_048_576;

/**
 * GET, or POST when there is a body.
 * @returns the JSON object that it answers, or an empty one
 * @throws FederationError UNREACHABLE, TOO_LARGE, or what the coordinator answers
 */
export async function askJson(url: URL, body: unknown, trust: Trust): Promise<Record<string, unknown>> {
  const text = await askText(url, body, trust);
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** The same, as text. */
export async function askText(url: URL, body: unknown, trust: Trust): Promise<string> {
  let answer: { status: number; text: string };
  try {
    answer = await exchange(url, body === undefined ? undefined : JSON.stringify(body), trust);
  } catch (cause) {
    if (cause instanceof FederationError) throw cause;
    throw new FederationError(
      'UNREACHABLE',
      `the coordinator at ${url.origin} does not answer; is it started, and is the way to it open?${hintAbout(cause)}`,
      { cause },
    );
  }
  if (answer.status < 200 || answer.status > 299) throw problemOf(answer.status, answer.text);
  return answer.text;
}

function exchange(
  url: URL,
  body: string | undefined,
  trust: Trust,
): Promise<{ status: number; text: string }> {
  const secure = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const sending = (secure ? httpsRequest : httpRequest)(url, {
      method: body === undefined ? 'GET' : 'POST',
      timeout: SILENCE_MS_MAX,
      headers:
        body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      ...(trust === undefined ? {} : { ca: [...trust] }),
    });
    sending.on('timeout', () => sending.destroy(new Error('no answer')));
    sending.on('error', reject);
    sending.on('response', (response) => {
      readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    });
    sending.end(body);
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for await (const piece of response as AsyncIterable<Uint8Array>) {
    total += piece.length;
    if (total > BYTES_MAX) {
      response.destroy();
      throw new FederationError('TOO_LARGE', `expected an answer of at most ${BYTES_MAX} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** A certificate that is not trusted is the one thing that looks like a silent coordinator and is not. */
function hintAbout(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/.test(code)
    ? ` Its certificate is not trusted (${code}): see caFile in agent.yaml`
    : '';
}
