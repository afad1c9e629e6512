/**
 * Every error a user, a bank or a program can meet, in one table: what it means, its HTTP status, and
 * whether the same request may succeed later. Messages never contain parameters, keys or applicant data.
 */
export const ERROR_CODES = {
  // what arrived is not well formed
  CANON: { status: 400, retryable: false, title: 'not canonical JSON' },
  SCHEMA: { status: 400, retryable: false, title: 'does not have the expected shape' },
  TOO_LARGE: { status: 413, retryable: false, title: 'larger than the limit' },
  NOT_FOUND: { status: 404, retryable: false, title: 'no such thing' },
  // who sent it
  SIG: { status: 401, retryable: false, title: 'signature does not verify' },
  WEAK_KEY: {
    status: 400,
    retryable: false,
    title: 'public key is of small order, not canonical, or used twice',
  },
  UNAUTHENTICATED: { status: 401, retryable: false, title: 'no valid credentials' },
  FORBIDDEN: { status: 403, retryable: false, title: 'not allowed for this role' },
  WRONG_SENDER: { status: 403, retryable: false, title: 'sent in the name of somebody else' },
  UNKNOWN_PARTICIPANT: { status: 403, retryable: false, title: 'no admitted participant of that id' },
  INVITATION: { status: 403, retryable: false, title: 'invitation is unknown, used or expired' },
  // when it came
  STATE: { status: 409, retryable: false, title: 'not possible in the present state' },
  REPLAY: { status: 409, retryable: false, title: 'already recorded' },
  DUPLICATE: { status: 409, retryable: false, title: 'a different answer was already accepted' },
  LATE: { status: 409, retryable: false, title: 'the round is over' },
  STALE: { status: 409, retryable: false, title: 'refers to a round that is not open' },
  RATE_LIMIT: { status: 429, retryable: true, title: 'too many requests' },
  // what it carries
  VECROOT: { status: 422, retryable: true, title: 'body does not hash to its signed root' },
  SHAPE: { status: 422, retryable: false, title: 'wrong length or ring' },
  CANARY: { status: 422, retryable: false, title: 'canary word is wrong' },
  RANGE: { status: 422, retryable: false, title: 'value outside the range agreed for its field' },
  NON_FINITE: { status: 422, retryable: false, title: 'NaN or infinite value' },
  OVERFLOW: { status: 422, retryable: false, title: 'the sum could overflow the ring' },
  CONTRACT: { status: 422, retryable: false, title: 'data do not fit the contract' },
  PLAN: { status: 422, retryable: false, title: 'plan is not valid' },
  POLICY: { status: 403, retryable: false, title: "refused by the bank's policy" },
  SUBTRACTION: { status: 403, retryable: false, title: 'two sums would differ by too few banks' },
  LINEAGE: { status: 422, retryable: false, title: 'question does not follow from the last sum' },
  // a masked sum: what was cheated on, or is missing
  ROSTER: { status: 409, retryable: false, title: 'banks were shown different keys' },
  SHARE_CT: { status: 422, retryable: false, title: 'dealt shares cannot be opened' },
  SHARE_BAD: { status: 422, retryable: false, title: 'revealed share does not fit its commitment' },
  DEALER_MASK: { status: 422, retryable: false, title: 'shares do not give the mask seed of the public key' },
  DEALER_SELF: { status: 422, retryable: false, title: 'shares do not give the committed self seed' },
  EQUIVOCATION: { status: 409, retryable: false, title: 'two different things were said about one slot' },
  CERTIFICATE: { status: 409, retryable: false, title: 'not certified by enough banks' },
  VOTES: { status: 409, retryable: false, title: 'too few votes to ask the question again' },
  QUORUM: { status: 409, retryable: false, title: 'too few banks certified' },
  SHARES: { status: 409, retryable: false, title: 'too few banks revealed their shares' },
  // the ledger itself
  FORK: { status: 409, retryable: false, title: 'another history than the one witnessed before' },
  ROLLBACK: { status: 409, retryable: false, title: 'less history than was witnessed before' },
  BUNDLE: { status: 422, retryable: false, title: 'the bundle is damaged' },
  // how a run ends
  COHORT: { status: 409, retryable: false, title: 'too few banks' },
  STOPPED: { status: 409, retryable: false, title: 'stopped by the operator' },
  DIVERGED: { status: 422, retryable: false, title: 'training did not produce finite numbers' },
  // the world and ourselves
  DATA_SOURCE: { status: 422, retryable: false, title: 'data file cannot be read' },
  KEY_FILE: { status: 400, retryable: false, title: 'key file cannot be opened' },
  CONFIG: { status: 400, retryable: false, title: 'configuration is not valid' },
  USAGE: { status: 400, retryable: false, title: 'command line is not valid' },
  UNREACHABLE: { status: 503, retryable: true, title: 'the other side cannot be reached' },
  PORT_IN_USE: { status: 503, retryable: true, title: 'the port is taken' },
  STORAGE: { status: 507, retryable: true, title: 'storage failed' },
  DATABASE: { status: 503, retryable: true, title: 'the database does not do its work' },
  LEDGER: { status: 500, retryable: false, title: 'the ledger is not consistent' },
  INTERNAL: { status: 500, retryable: false, title: 'internal error' },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * The one error type that crosses module borders. `message` says what was expected, what came and what to
 * do next.
 */
export class FederationError extends Error {
  override readonly name = 'FederationError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The message of anything thrown, for logs and for people. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
