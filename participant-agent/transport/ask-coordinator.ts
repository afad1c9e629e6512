/**
 * One request to the coordinator outside the socket: before there is one, about the key it is opened with, when there
 * cannot be one, or when it is not believed any more.
 */
import { describeAnswer, unreachable } from '#participant-agent/transport/obstacle.ts';
import { problemOf } from '#participant-agent/transport/problem.ts';
import { exchange, type Answer, type Asked, type Way } from '#participant-agent/transport/way.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';

/** Of an answer: a proof of consistency has 64 hashes at most, a charter a few keys. */
const BYTES_MAX = 1_048_576;

/**
 * GET, or POST when there is a body.
 * @param path below the coordinator's address
 * @returns the JSON object that it answers
 * @throws FederationError UNREACHABLE with what is in the way, TOO_LARGE, or what the coordinator answers
 */
export async function askJson(way: Way, path: string, body?: unknown): Promise<Record<string, unknown>> {
  return jsonOf(await ask(way, path, request(body)), way);
}

/** The same, as text. */
export async function askText(way: Way, path: string, body?: unknown): Promise<string> {
  return new TextDecoder().decode((await ask(way, path, request(body))).bytes);
}

function request(body: unknown): Asked {
  return { body: body === undefined ? undefined : JSON.stringify(body), bytesMax: BYTES_MAX };
}

/** Any request that is answered well. @throws FederationError UNREACHABLE | TOO_LARGE, or what the coordinator answers */
export async function ask(way: Way, path: string, asked: Asked): Promise<Answer> {
  let answer: Answer;
  try {
    answer = await exchange(way, path, asked);
  } catch (cause) {
    throw await unreachable(cause, way);
  }
  if (answer.status < 200 || answer.status > 299) throw problemOf(answer, way);
  return answer;
}

/** @throws FederationError UNREACHABLE when something else than a coordinator has answered */
export function jsonOf(answer: Answer, way: Way): Record<string, unknown> {
  const text = new TextDecoder().decode(answer.bytes);
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // what a proxy says instead of the coordinator
  }
  throw new FederationError('UNREACHABLE', describeAnswer(answer, way));
}
