/**
 * Bodies over HTTP: uploads that resume where they broke, downloads that are worth what they hash to. Both try again
 * with growing pauses until they succeed, are refused, or are told to stop. Small bodies travel over the socket
 * instead (send-with-body.ts); small sums are kept here from when they were shown until they are asked for.
 */
import { request as httpRequest, type Agent, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '#shared/protocol/clock.ts';
import { FederationError, ERROR_CODES } from '#shared/protocol/error-codes.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import { RootHasher, vectorRoot } from '#shared/ring/vector-root.ts';
import type { Logger } from '#participant-agent/logger.ts';
import { backOff } from '#participant-agent/transport/back-off.ts';
import { describeFailure } from '#participant-agent/transport/obstacle.ts';
import { problemOf } from '#participant-agent/transport/problem.ts';
import { Complaints } from '#participant-agent/transport/trouble.ts';
import type { Way } from '#participant-agent/transport/way.ts';

export interface BodyClientOptions {
  readonly way: Way;
  readonly log: Logger;
  readonly clock: Clock;
  /** The token that the socket was given; asked for anew before each attempt. */
  readonly token: () => Promise<string>;
}

/** How often a body or vectors that are not the signed ones are asked for again. */
const WRONG_BYTES_MAX = 3;
/** Several runs may close a round before the first of them takes its sum. */
const ANNOUNCED_MAX = 16;
/** A proxy that takes less than this is not worth dealing with. */
const PIECE_BYTES_MIN = 65_536;
/** A request that hears nothing for so long is taken for dead. */
const SILENCE_MS_MAX = 30_000;

export class BodyClient {
  private readonly base: URL;
  private readonly options: BodyClientOptions;
  private readonly agent: Agent;
  /** Most bytes of one request: a proxy may take no more. */
  private pieceBytes = Infinity;
  private readonly complaints: Complaints;
  /** Small sums that were shown and not asked for yet, as they came: perhaps not what they are said to be. */
  private readonly announced = new Map<string, Uint8Array<ArrayBuffer>>();

  constructor(options: BodyClientOptions) {
    this.base = options.way.at('v1/bodies/');
    this.options = options;
    this.complaints = new Complaints(options.clock);
    this.agent = options.way.createAgent({ keepAlive: true, maxSockets: 4 });
  }

  /** @throws FederationError when the coordinator refuses it for good */
  async upload(root: string, body: Uint8Array, signal: AbortSignal): Promise<void> {
    let offset = 0;
    // a process before this one may have sent a part of it: worth asking if it is long
    let ask = body.length > LIMITS.chunkBytes;
    for await (const attempt of backOff(signal)) {
      try {
        if (ask) {
          const head = await this.send('HEAD', root, {}, undefined, signal);
          if (head.status === 200) return;
          offset = Number(head.headers['upload-offset'] ?? 0);
        }
        ask = true;
        while ((offset = await this.sendPiece(root, body, offset, signal)) < body.length);
        return;
      } catch (error) {
        // the end of a broken connection's bytes came in after we had asked where to go on: start over
        const moved = offset > 0 && error instanceof FederationError && error.code === 'STATE';
        if (!moved && isFinal(error, signal)) throw error;
        if (moved) ask = false;
        else await this.complain(error, attempt);
        // a proxy that takes no more may hang up in the middle instead of saying so
        if (attempt > 0 && isBrokenOff(error)) this.halvePieces(body.length);
        offset = 0;
      }
    }
    throw stopped();
  }

  /** @returns where to go on; the length of the body when it is complete. @throws FederationError */
  private async sendPiece(
    root: string,
    body: Uint8Array,
    from: number,
    signal: AbortSignal,
  ): Promise<number> {
    const headers = { 'upload-offset': String(from), 'upload-length': String(body.length) };
    const piece = body.subarray(from, from + this.pieceBytes);
    const reply = await this.send('PUT', root, headers, piece, signal);
    if (reply.status === 201) return body.length;
    if (reply.status === 202) {
      const next = Number(reply.headers['upload-offset']);
      if (next > from && next < body.length) return next;
      throw new Error('the upload broke off'); // ask where it stands
    }
    const problem = problemOf(reply, this.options.way);
    if (reply.status === 413 && problem.code === 'UNREACHABLE' && this.halvePieces(piece.length)) return from;
    throw problem;
  }

  /** @param tooMany bytes that were not taken. @returns false when pieces are as small as they get */
  private halvePieces(tooMany: number): boolean {
    const { log, way } = this.options;
    const smaller = Math.min(LIMITS.chunkBytes / 2, Math.floor(tooMany / 2));
    if (smaller < PIECE_BYTES_MIN || smaller >= this.pieceBytes) return false;
    this.pieceBytes = smaller;
    log.warn(
      { tooMany, pieceBytes: smaller },
      `something in front of ${way.url} takes no request of this size: vectors are sent in smaller pieces. The operator can raise its limit (nginx: client_max_body_size 2m)`,
    );
    return true;
  }

  /** What fails once may be a restart; what fails again is said, with growing pauses. */
  private async complain(error: unknown, attempt: number): Promise<void> {
    if (attempt === 0 || (error instanceof FederationError && error.code === 'UNAUTHENTICATED')) return;
    const { log, way } = this.options;
    const reason = error instanceof FederationError ? error.message : await describeFailure(error, way);
    if (this.complaints.isDue(reason)) log.warn({ reason }, 'a body cannot be sent or fetched; trying again');
  }

  /** Keeps a sum that the coordinator shows with the end of its round, until it is asked for; the oldest make room. */
  keepAnnounced(root: string, bytes: Uint8Array<ArrayBuffer>): void {
    this.announced.set(root, bytes);
    if (this.announced.size > ANNOUNCED_MAX) this.announced.delete(this.announced.keys().next().value!);
  }

  /** @throws FederationError NOT_FOUND, VECROOT, or when the coordinator refuses it for good */
  async download(root: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const announced = this.announced.get(root);
    this.announced.delete(root);
    if (announced !== undefined) {
      if (vectorRoot(announced) === root) return announced;
      this.options.log.warn({ root }, 'the coordinator showed other bytes than the signed ones');
    }
    let wrong = 0;
    for await (const attempt of backOff(signal)) {
      try {
        const hasher = new RootHasher();
        const reply = await this.send('GET', root, {}, undefined, signal, {
          hasher,
        });
        if (reply.status !== 200) throw problemOf(reply, this.options.way);
        const found = hasher.root();
        if (found !== root)
          throw new FederationError(
            'VECROOT',
            `expected the body ${root}, received one that hashes to ${found}`,
          );
        return reply.bytes;
      } catch (error) {
        if (isFinal(error, signal) || this.isWrongAgain(error, wrong)) throw error;
        if (isWrong(error)) wrong++;
        else await this.complain(error, attempt);
      }
    }
    throw stopped();
  }

  /** What the dealers of a sealed session dealt to this bank. @throws FederationError */
  async downloadShares(session: string, signal: AbortSignal): Promise<Uint8Array> {
    for await (const attempt of backOff(signal)) {
      try {
        const path = `../sessions/${session}/shares`;
        const reply = await this.send('GET', path, {}, undefined, signal);
        if (reply.status !== 200) throw problemOf(reply, this.options.way);
        return reply.bytes;
      } catch (error) {
        if (isFinal(error, signal)) throw error;
        await this.complain(error, attempt);
      }
    }
    throw stopped();
  }

  /**
   * The masked vectors of a closed round, in the order of the survivors.
   * @param begin called at each attempt; gives what takes the bytes as they come
   * @throws FederationError when the coordinator refuses it for good
   */
  async downloadVectors(
    ctx: string,
    signal: AbortSignal,
    begin: () => (piece: Uint8Array) => void,
  ): Promise<void> {
    let wrong = 0;
    for await (const attempt of backOff(signal)) {
      try {
        const path = `../rounds/${ctx}/vectors`;
        const reply = await this.send('GET', path, {}, undefined, signal, { take: begin() });
        if (reply.status !== 200) throw problemOf(reply, this.options.way);
        return;
      } catch (error) {
        if (isFinal(error, signal) || this.isWrongAgain(error, wrong)) throw error;
        if (isWrong(error)) wrong++;
        else await this.complain(error, attempt);
      }
    }
    throw stopped();
  }

  close(): void {
    this.agent.destroy();
  }

  /**
   * Wrong bytes may be an accident of the line, but not again and again.
   * @param before how often they were wrong before
   */
  private isWrongAgain(error: unknown, before: number): boolean {
    if (!isWrong(error)) return false;
    this.options.log.warn({ err: error }, 'the coordinator sent other bytes than the signed ones');
    return before >= WRONG_BYTES_MAX;
  }

  private async send(
    method: 'GET' | 'HEAD' | 'PUT',
    path: string,
    headers: Record<string, string>,
    body: Uint8Array | undefined,
    signal: AbortSignal,
    sink: Sink = {},
  ): Promise<Reply> {
    const token = await this.options.token();
    const request = this.base.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const sending = request(new URL(path, this.base), {
        method,
        agent: this.agent,
        signal,
        timeout: SILENCE_MS_MAX,
        headers: {
          ...headers,
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-length': body.length }),
        },
      });
      sending.on('timeout', () => sending.destroy(new Error('no answer')));
      sending.on('error', reject);
      sending.on('response', (response) => {
        readReply(response, method === 'HEAD', sink).then(resolve, reject);
      });
      sending.end(body);
    });
  }
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Sink {
  /** Takes the bytes as they come, while they are still in the processor's cache. */
  readonly hasher?: RootHasher;
  /** Where the bytes go if they are as many. */
  readonly reuse?: Uint8Array<ArrayBuffer>;
  /** Takes the bytes of a good reply instead of keeping them. */
  readonly take?: (piece: Uint8Array) => void;
}

async function readReply(
  response: IncomingMessage,
  headersOnly: boolean,
  { hasher, reuse, take }: Sink,
): Promise<Reply> {
  const status = response.statusCode ?? 0;
  if (headersOnly) {
    response.resume();
    return { status, headers: response.headers, bytes: new Uint8Array(0) };
  }
  if (take !== undefined && status === 200) {
    await eachPiece(response, take);
    return { status, headers: response.headers, bytes: new Uint8Array(0) };
  }
  const declared = Number(response.headers['content-length'] ?? 0);
  if (declared > LIMITS.bodyBytesMax) throw tooLarge(response);
  let bytes = reuse?.length === declared ? reuse : new Uint8Array(declared);
  let total = 0;
  await eachPiece(response, (piece) => {
    if (total + piece.length > LIMITS.bodyBytesMax) throw tooLarge(response);
    if (total + piece.length > bytes.length) {
      const larger = new Uint8Array(Math.max(2 * bytes.length, total + piece.length));
      larger.set(bytes.subarray(0, total));
      bytes = larger;
    }
    hasher?.update(piece);
    bytes.set(piece, total);
    total += piece.length;
  });
  const read = total === bytes.length ? bytes : bytes.slice(0, total);
  return {
    status,
    headers: response.headers,
    bytes: read,
  };
}

/** What comes is taken as it comes: an iterator would cost as much as hashing it. @throws what `take` throws */
function eachPiece(response: IncomingMessage, take: (piece: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    response.on('data', (piece: Uint8Array) => {
      try {
        take(piece);
      } catch (error) {
        response.destroy();
        reject(error);
      }
    });
    response.on('end', resolve);
    response.on('error', reject);
    response.on('close', () => reject(new Error('the connection was closed'))); // unless it has ended
  });
}

function tooLarge(response: IncomingMessage): FederationError {
  response.destroy();
  return new FederationError(
    'TOO_LARGE',
    `the coordinator sends more than the ${LIMITS.bodyBytesMax} bytes a body may have`,
  );
}

function isWrong(error: unknown): boolean {
  return error instanceof FederationError && error.code === 'VECROOT';
}

/** What another attempt would not change. An expired token or a half-known offset it would. */
function isFinal(error: unknown, signal: AbortSignal): boolean {
  if (signal.aborted) return true;
  if (error instanceof TypeError || error instanceof RangeError) return true; // our own fault
  if (!(error instanceof FederationError)) return false; // the network's
  return !ERROR_CODES[error.code].retryable && error.code !== 'UNAUTHENTICATED' && error.code !== 'INTERNAL';
}

/** The line, and not somebody at its end, has ended a request. */
function isBrokenOff(error: unknown): boolean {
  return (
    error instanceof Error && ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')
  );
}

function stopped(): FederationError {
  return new FederationError('STOPPED', 'the agent is stopping');
}
