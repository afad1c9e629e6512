/** One request to the coordinator outside the socket: before there is one, or about the key it is opened with. */
import { ERROR_CODES, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';

/**
 * GET, or POST when there is a body.
 * @throws FederationError UNREACHABLE, or what the coordinator answers
 */
export async function fetchJson(url: URL, body: unknown): Promise<Record<string, unknown>> {
  let response: Response;
  try {
    response = await fetch(
      url,
      body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
    );
  } catch (cause) {
    throw new FederationError(
      'UNREACHABLE',
      `the coordinator at ${url.origin} does not answer; is it started, and is the way to it open?`,
      { cause },
    );
  }
  const value = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (response.ok) return value;
  const code =
    typeof value['code'] === 'string' && Object.hasOwn(ERROR_CODES, value['code'])
      ? (value['code'] as ErrorCode)
      : 'UNREACHABLE';
  throw new FederationError(
    code,
    typeof value['detail'] === 'string' ? value['detail'] : `HTTP status ${response.status}`,
  );
}
