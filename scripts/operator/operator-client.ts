/** The operator's and auditor's side of the REST API and the watch socket. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:http';
import { join } from 'node:path';
import type { RunView } from '#coordinator/http/run-view.ts';
import { ask, jsonOf } from '#participant-agent/transport/ask-coordinator.ts';
import { wayTo, type Answer, type Way } from '#participant-agent/transport/way.ts';
import type { Entry } from '#shared/ledger/entry.ts';
import { DEFAULT_FOLDER } from '#scripts/operator/default-folder.ts';
import { runBeginning } from '#scripts/operator/run-beginning.ts';
import { secretIn } from '#scripts/operator/secret-argument.ts';
import { socketAddressOf } from '#shared/protocol/coordinator-address.ts';
import { FederationError, type ErrorCode } from '#shared/protocol/error-codes.ts';
import { runId, type RunId } from '#shared/protocol/ids.ts';
import type { CoordinatorToWatch, WatchToCoordinator } from '#shared/protocol/socket-events.ts';
import { inert } from '#shared/protocol/foreign-text.ts';
import { LIMITS } from '#shared/protocol/limits.ts';
import type { Socket } from 'socket.io-client';

const WORDS = {
  addressIn: '--url, TALLYSTICK_URL or --data',
  trustIn: 'name its certificate in NODE_EXTRA_CA_CERTS=FILE',
};
/** Some answers take work: bodies deleted, a large model read. */
const SILENCE_MS_MAX = 300_000;

export interface OperatorOptions {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  /** The coordinator's data folder, when it is on this machine and this one is meant. */
  readonly data?: string | undefined;
}

export type WatchSocket = Socket<CoordinatorToWatch, WatchToCoordinator>;

export interface ParticipantSummary {
  readonly participant: string;
  readonly status: 'enrolled' | 'admitted' | 'revoked';
  readonly fingerprint: string;
  readonly connected: boolean;
}

export class OperatorClient {
  readonly url: string;
  private readonly token: string;
  private readonly way: Way;
  private readonly agent: Agent;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
    this.way = wayTo(url, undefined, WORDS);
    this.agent = this.way.createAgent({ keepAlive: true });
  }

  /**
   * In order of explicitness: the command line, the environment, the default folder. `--data` stands for the URL and
   * the token in that folder. A folder's token goes to that folder's coordinator only: another one could be anybody's.
   * @throws FederationError USAGE | UNREACHABLE | UNAUTHENTICATED
   */
  static async from(
    { url, token: tokenArgument, data }: OperatorOptions,
    { TALLYSTICK_URL: urlThere, TALLYSTICK_TOKEN: tokenThere } = process.env,
  ): Promise<OperatorClient> {
    const token = tokenArgument === undefined ? undefined : await secretIn(tokenArgument);
    const given = url ?? (data === undefined ? urlThere : undefined);
    if (given === undefined)
      return data === undefined
        ? OperatorClient.ofFolder(DEFAULT_FOLDER, token ?? tokenThere)
        : OperatorClient.ofFolder(data, token, tokenThere);
    const access = token ?? tokenThere;
    if (access === undefined)
      throw new FederationError('UNAUTHENTICATED', `no access token given for ${given}`);
    if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol))
      throw new FederationError(
        'USAGE',
        `expected the coordinator's address, such as https://coordinator.example, got "${given}"`,
      );
    return new OperatorClient(given, access);
  }

  /**
   * From the files that a coordinator on this machine leaves in its data folder.
   * @param token in place of the folder's own
   * @param otherwise when there is neither
   * @throws FederationError UNREACHABLE | UNAUTHENTICATED
   */
  static async ofFolder(folder: string, token?: string, otherwise?: string): Promise<OperatorClient> {
    const url = await readText(join(folder, 'url'));
    if (url === undefined)
      throw new FederationError(
        'UNREACHABLE',
        `no coordinator given: use --url, TALLYSTICK_URL, or --data with the folder of a running one (none runs in ${folder})`,
      );
    const access = token ?? (await readText(join(folder, 'operator.token'))) ?? otherwise;
    if (access === undefined)
      throw new FederationError('UNAUTHENTICATED', `no access token given, and none is in ${folder}`);
    return new OperatorClient(url, access);
  }

  get<T>(path: string): Promise<T> {
    return this.request('GET', path, undefined) as Promise<T>;
  }

  post<T>(path: string, body: unknown): Promise<T> {
    return this.request('POST', path, body) as Promise<T>;
  }

  /** A run by its id or the beginning of it. @throws FederationError NOT_FOUND */
  async resolveRun(run: string): Promise<RunId> {
    const whole = runId.safeParse(run);
    if (whole.success) return whole.data;
    const { runs } = await this.get<{ runs: { run: RunId }[] }>('/v1/runs');
    return runBeginning(runs, run, 'tallystick run list').run;
  }

  run(run: string): Promise<RunView> {
    return this.get(`/v1/runs/${run}`);
  }

  async text(path: string): Promise<string> {
    return new TextDecoder().decode((await this.ask('GET', path, undefined)).bytes);
  }

  async body(root: string): Promise<Uint8Array> {
    return (await this.ask('GET', `/v1/bodies/${root}`, undefined)).bytes;
  }

  /** Every entry from `from` on, as the texts that are hashed. */
  async *entries(from = 0): AsyncGenerator<{ seq: number; text: string }> {
    for (let next: number | null = from; next !== null;) {
      const page: { entries: { seq: number; text: string }[]; next: number | null } = await this.get(
        `/v1/ledger/entries?from=${next}&limit=500`,
      );
      yield* page.entries;
      next = page.next;
    }
  }

  /** @throws FederationError */
  async watch(
    run: string,
    onEntry: (entry: Entry) => void,
  ): Promise<{ socket: WatchSocket; connected: readonly string[] }> {
    const { io } = await import('socket.io-client'); // most commands watch nothing
    const { url, path } = socketAddressOf(this.url, 'watch');
    const socket: WatchSocket = io(url, {
      path,
      agent: this.way.createAgent() as unknown as string, // what Node's sockets take, not what browsers' do
      transports: ['websocket'],
      auth: { token: this.token },
      forceNew: true,
    });
    await new Promise<void>((resolve, reject) => {
      const fail = (cause: Error): void => {
        socket.disconnect();
        reject(
          new FederationError(
            'UNREACHABLE',
            `requests reach ${this.url}, WebSockets do not (${inert(cause.message)}): a proxy in between must let "Upgrade: websocket" through`,
            { cause },
          ),
        );
      };
      socket.once('connect_error', fail);
      // later failures are for socket.io to try again
      socket.once('connect', () => {
        socket.off('connect_error', fail);
        resolve();
      });
    });
    // A socket that reconnects has to say again what it watches. Entries may come twice, which is harmless, but
    // never out of order: what comes live waits for what was missed.
    let held: Entry[] | undefined = [];
    let from = 0;
    const tell = (entry: Entry): void => {
      from = Math.max(from, entry.seq + 1);
      onEntry(entry);
    };
    const begin = async (): Promise<readonly string[]> => {
      held = [];
      for (;;) {
        const reply = await socket.timeout(30_000).emitWithAck('watch', { run, from });
        if (!reply.ok) throw new FederationError(reply.code as ErrorCode, reply.message);
        for (const entry of reply.entries) tell(entry);
        if (!reply.whole) continue;
        for (const entry of held) tell(entry);
        held = undefined;
        return reply.connected;
      }
    };
    socket.on('entry', (entry) => {
      if (held === undefined) tell(entry);
      else held.push(entry);
    });
    const connected = await begin();
    socket.on('connect', () => {
      begin().catch(() => {
        // it went away again in the middle: the next connection begins anew
        if (socket.connected) socket.disconnect().connect();
      });
    });
    return { socket, connected };
  }

  private async request(method: 'GET' | 'POST', path: string, body: unknown): Promise<unknown> {
    return jsonOf(await this.ask(method, path, body), this.way);
  }

  private ask(method: 'GET' | 'POST', path: string, body: unknown): Promise<Answer> {
    return ask(this.way, path.slice(1), {
      method,
      headers: { authorization: `Bearer ${this.token}` },
      body: body === undefined ? undefined : JSON.stringify(body),
      bytesMax: LIMITS.bodyBytesMax,
      silenceMsMax: SILENCE_MS_MAX,
      agent: this.agent,
    });
  }
}

async function readText(path: string): Promise<string | undefined> {
  return existsSync(path) ? (await readFile(path, 'utf8')).trim() : undefined;
}
