/** What a coordinator answers when it does not do what it was asked: problem details (RFC 9457) with one of our codes. */
import { describeAnswer } from '#participant-agent/transport/obstacle.ts';
import type { Answer, Way } from '#participant-agent/transport/way.ts';
import { ERROR_CODES, FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { inert } from '#shared/protocol/foreign-text.ts';

/** Longest text of the other side that gets into our logs, characters. */
const DETAIL_MAX = 500;

/** The coordinator's problem details as our own error; UNREACHABLE when it is not our coordinator's answer. */
export function problemOf(answer: Answer, way: Way): FederationError {
  try {
    const problem = JSON.parse(new TextDecoder().decode(answer.bytes)) as {
      code?: unknown;
      detail?: unknown;
    };
    if (typeof problem.code === 'string' && Object.hasOwn(ERROR_CODES, problem.code))
      return new FederationError(
        problem.code as ErrorCode,
        typeof problem.detail === 'string'
          ? inert(problem.detail).slice(0, DETAIL_MAX)
          : `HTTP status ${answer.status}`,
      );
  } catch {
    // a proxy in between, worth another try
  }
  return new FederationError('UNREACHABLE', describeAnswer(answer, way));
}
