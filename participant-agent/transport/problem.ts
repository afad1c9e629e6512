/** What a coordinator answers when it does not do what it was asked: problem details (RFC 9457) with one of our codes. */
import { ERROR_CODES, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

/** Longest text of the other side that gets into our logs, characters. */
const DETAIL_MAX = 500;

/** The coordinator's problem details as our own error; UNREACHABLE when it is not our coordinator's answer. */
export function problemOf(status: number, text: string): FederationError {
  let code: ErrorCode = 'UNREACHABLE';
  let detail = `HTTP status ${status}`;
  try {
    const problem = JSON.parse(text) as { code?: unknown; detail?: unknown };
    if (typeof problem.code === 'string' && Object.hasOwn(ERROR_CODES, problem.code))
      code = problem.code as ErrorCode;
    if (typeof problem.detail === 'string') detail = inert(problem.detail).slice(0, DETAIL_MAX);
  } catch {
    // a proxy in between, worth another try
  }
  return new FederationError(code, detail);
}
