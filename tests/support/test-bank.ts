/**
 * A bank that speaks the wire itself: a bare socket, fetch and a key. Unlike an agent it may send anything.
 */
import { randomBytes } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import { toBase64Url } from '#shared/crypto/base64.ts';
import { keyFingerprint } from '#shared/crypto/fingerprint.ts';
import { messageHash, signMessage, type SignedMessage } from '#shared/crypto/signed-message.ts';
import { publicKeyOf } from '#shared/crypto/signatures.ts';
import { signCosignature } from '#shared/ledger/cosignature.ts';
import type { Entry } from '#shared/ledger/entry.ts';
import { participantId, type ParticipantId } from '#shared/protocol/ids.ts';
import { readInvitationCode } from '#shared/protocol/invitation-code.ts';
import type { Payload } from '#shared/protocol/messages.ts';
import type {
  Challenge,
  FeedItem,
  FollowPage,
  Refusal,
  SubmitReply,
} from '#shared/protocol/socket-events.ts';
import type { OperatorClient } from '#scripts/operator/operator-client.ts';
import type { Clock } from '#shared/protocol/clock.ts';
import { closeLater } from './opened.ts';

const REPLY_MS_MAX = 20_000;

/** A coordinator, wherever it runs: in this process or in one of its own. */
export interface CoordinatorUnderTest {
  readonly url: string;
  readonly charter: string;
  readonly clock: Clock;
  readonly operator: OperatorClient;
}

export type Reply<T> = T | Refusal;

/** An HTTP answer with its JSON, if it has any. */
export interface HttpReply {
  readonly status: number;
  readonly headers: Headers;
  /** The error code of problem details. */
  readonly code: string | undefined;
  readonly json: unknown;
}

interface RequestOptions {
  readonly json?: unknown;
  readonly body?: Uint8Array<ArrayBuffer> | string;
  readonly headers?: Record<string, string>;
  readonly token?: string;
}

export class TestBank {
  readonly id: ParticipantId;
  readonly coordinator: CoordinatorUnderTest;
  readonly seed: Uint8Array;
  /** Entries that came over the socket. */
  readonly entries: Entry[] = [];
  token = '';
  readonly witnessSeed = new Uint8Array(randomBytes(32));
  /** Whether it cosigns what it is asked to, without looking. */
  cosigns = true;
  private socket: Socket | undefined;

  constructor(coordinator: CoordinatorUnderTest, id: string, seed?: Uint8Array) {
    this.coordinator = coordinator;
    this.id = participantId.parse(id);
    this.seed = seed ?? new Uint8Array(randomBytes(32));
    closeLater(() => this.disconnect());
  }

  /** A bank that is admitted and connected. */
  static async join(coordinator: CoordinatorUnderTest, id: string): Promise<TestBank> {
    const bank = new TestBank(coordinator, id);
    await bank.enrol(await bank.invite());
    await bank.admit();
    await bank.connect();
    return bank;
  }

  static joinAll(coordinator: CoordinatorUnderTest, ...ids: string[]): Promise<TestBank[]> {
    return Promise.all(ids.map((id) => TestBank.join(coordinator, id)));
  }

  get identityKey(): string {
    return toBase64Url(publicKeyOf(this.seed));
  }

  private get keys(): { identityKey: string; witnessKey: string } {
    return { identityKey: this.identityKey, witnessKey: toBase64Url(publicKeyOf(this.witnessSeed)) };
  }

  get fingerprint(): string {
    return keyFingerprint(this.identityKey);
  }

  /** @returns the invitation code */
  async invite(validHours?: number): Promise<string> {
    const { code } = await this.coordinator.operator.post<{ code: string }>('/v1/invitations', {
      participant: this.id,
      url: this.coordinator.url,
      ...(validHours === undefined ? {} : { validHours }),
    });
    return code;
  }

  enrol(code: string, changes: Partial<Payload<'enrol'>> = {}): Promise<HttpReply> {
    const { invite, token } = readInvitationCode(code);
    const payload = { invite, from: this.id, token, ...this.keys, agentVersion: 'test' };
    return this.http('POST', '/v1/enrolments', { json: this.sign('enrol', { ...payload, ...changes }) });
  }

  async admit(fingerprint = this.fingerprint): Promise<void> {
    await this.coordinator.operator.post(`/v1/participants/${this.id}/admission`, { fingerprint });
  }

  sign<Type extends string, T>(type: Type, payload: T): SignedMessage<Type, T> {
    return signMessage(type, payload, this.seed);
  }

  /** Opens a socket. @returns the challenge it is greeted with */
  async dial(): Promise<Challenge> {
    this.disconnect();
    const socket = io(`${this.coordinator.url}/agents`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
    });
    this.socket = socket;
    socket.on('entries', (entries: readonly FeedItem[]) => {
      for (const entry of entries) {
        if (!('message' in entry)) continue;
        this.entries.push(entry);
        if (this.cosigns && entry.message.type === 'checkpoint')
          this.cosign(entry.message.payload).catch(() => {}); // the run is over for a bank that left
      }
    });
    return new Promise((resolve, reject) => {
      socket.once('challenge', resolve);
      socket.once('connect_error', reject);
    });
  }

  /** Dials and authenticates. @returns what the coordinator says to it */
  async authenticate(changes: Record<string, unknown> = {}): Promise<Reply<{ ok: true; token: string }>> {
    const { nonce, charter } = await this.dial();
    const time = this.coordinator.clock.now();
    const payload = { nonce, charter, from: this.id, time, agentVersion: 'test', ...changes };
    return this.ask('authenticate', this.sign('authenticate', payload));
  }

  /** Dials, authenticates and follows the ledger from its start. */
  async connect(): Promise<void> {
    const reply = await this.authenticate();
    if (!reply.ok) throw new Error(`${this.id}: ${reply.code}: ${reply.message}`);
    this.token = reply.token;
    this.entries.length = 0;
    for (let from: number | null = 0; from !== null;) {
      const page: Reply<FollowPage> = await this.ask('follow', { from });
      if (!page.ok) throw new Error(`${this.id}: ${page.code}: ${page.message}`);
      for (const entry of page.entries) if ('message' in entry) this.entries.push(entry);
      from = page.next;
    }
  }

  disconnect(): void {
    this.socket?.disconnect();
    this.socket = undefined;
  }

  /** The bare socket, for those who want to do worse. */
  get wire(): Socket {
    if (this.socket === undefined) throw new Error(`${this.id} is not connected`);
    return this.socket;
  }

  /** Resolves when the coordinator has closed the connection. */
  hungUp(): Promise<string> {
    return new Promise((resolve) => this.wire.once('disconnect', resolve));
  }

  async ask<T>(event: string, ...args: unknown[]): Promise<T> {
    return (await this.wire.timeout(REPLY_MS_MAX).emitWithAck(event, ...args)) as T;
  }

  /** @returns what becomes of its cosignature */
  async cosign(payload: Payload<'checkpoint'>): Promise<Reply<SubmitReply>> {
    const time = Math.floor(this.coordinator.clock.now() / 1000);
    // others' memberships may have come live before the first page
    const { message } = this.entries.find((entry) => entry.message.type === 'charter')!;
    const charter = message.payload as Payload<'charter'>;
    const cosigned = { origin: charter.origin, ...payload.head };
    const signature = signCosignature(cosigned, time, this.witnessSeed);
    const checkpoint = messageHash('checkpoint', payload);
    return this.submit(this.sign('cosign', { checkpoint, from: this.id, time, signature }));
  }

  submit(message: unknown): Promise<Reply<SubmitReply>> {
    return this.ask('submit', message);
  }

  /** @param body its bytes, or whatever else stands in their place */
  submitWithBody(message: unknown, body: unknown): Promise<Reply<SubmitReply>> {
    return this.ask('submit-with-body', message, body instanceof Uint8Array ? toBase64Url(body) : body);
  }

  async http(method: string, path: string, options: RequestOptions = {}): Promise<HttpReply> {
    return request(this.coordinator.url, method, path, { token: this.token, ...options });
  }

  /** Uploads from `offset` on what `bytes` has after it. */
  put(
    root: string,
    bytes: Uint8Array,
    { offset = 0, length = bytes.length }: { offset?: number; length?: number } = {},
  ): Promise<HttpReply> {
    const headers = { 'upload-offset': String(offset), 'upload-length': String(length) };
    return this.http('PUT', `/v1/bodies/${root}`, { headers, body: new Uint8Array(bytes.subarray(offset)) });
  }

  async get(root: string, headers: Record<string, string> = {}): Promise<HttpReply> {
    return this.http('GET', `/v1/bodies/${root}`, { headers });
  }
}

export async function request(
  url: string,
  method: string,
  path: string,
  options: RequestOptions = {},
): Promise<HttpReply> {
  const { json, token } = options;
  const body = json === undefined ? options.body : JSON.stringify(json);
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      ...(token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json') === true;
  const code = isProblem ? (parsed as { code: string } | undefined)?.code : undefined; // HEAD has no body
  return { status: response.status, headers: response.headers, code, json: parsed };
}
