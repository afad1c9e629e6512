/** Operators and auditors who watch a run: its entries as they are recorded, progress, presence. */
import type { Namespace } from 'socket.io';
import type { CoordinatorEvents } from '#coordinator/events.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import type { Access } from '#coordinator/participants/access.ts';
import type { Presence } from '#coordinator/participants/presence.ts';
import { acknowledging } from '#coordinator/sockets/acknowledge.ts';
import type { WaitingRoom } from '#coordinator/sockets/waiting-room.ts';
import type { EntryStore } from '#coordinator/store/entry-store.ts';
import type { TokenStore } from '#coordinator/store/token-store.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import {
  watchRequest,
  type CoordinatorToWatch,
  type WatchToCoordinator,
} from '#shared/protocol/socket-events.ts';
import type { Entry } from '#shared/ledger/entry.ts';
import { runOfEntry } from '#shared/ledger/run-index.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

export type WatchNamespace = Namespace<
  WatchToCoordinator,
  CoordinatorToWatch,
  Record<string, never>,
  { tokenName: string }
>;

const TIMER_MS_MAX = 2_147_483_647;

export interface WatchDependencies {
  readonly journal: Journal;
  readonly entries: EntryStore;
  readonly access: Access;
  readonly tokens: TokenStore;
  readonly presence: Presence;
  readonly events: CoordinatorEvents;
  readonly waitingRoom: WaitingRoom;
}

export function serveWatchers(watchers: WatchNamespace, deps: WatchDependencies): void {
  const { journal, presence } = deps;
  journal.onRecorded((recorded) => {
    const run = runOfEntry(journal.state, recorded);
    if (run !== undefined) watchers.to(run).emit('entry', recorded.entry);
  });
  deps.tokens.onRemoved((name) => {
    for (const socket of watchers.sockets.values())
      if (socket.data.tokenName === name) socket.disconnect(true);
  });
  presence.onChange((participant, connected) => watchers.emit('presence', { participant, connected }));

  watchers.use((socket, next) => {
    const token: unknown = socket.handshake.auth['token'];
    try {
      const address = deps.waitingRoom.addressOf(socket.request);
      const caller = deps.access.identify(typeof token === 'string' ? `Bearer ${token}` : undefined, address);
      if (!('tokenName' in caller)) return next(new Error('UNAUTHENTICATED'));
      socket.data.tokenName = caller.tokenName;
      deps.waitingRoom.vouchFor(socket.conn);
      next();
    } catch (error) {
      next(error as Error);
    }
  });

  watchers.on('connection', (socket) => {
    const left = deps.tokens.named(socket.data.tokenName).expiresAt - journal.now();
    const end = left > TIMER_MS_MAX ? undefined : setTimeout(() => socket.disconnect(true), left);
    socket.on('disconnect', () => {
      clearTimeout(end);
      socket.conn.close();
    });
    socket.on('watch', (raw, acknowledge) =>
      acknowledging(acknowledge, deps.events, async () => {
        const parsed = watchRequest.safeParse(raw);
        if (!parsed.success) throw new FederationError('SCHEMA', 'expected {run, from?}');
        const { run, from } = parsed.data;
        if (!journal.state.runs.has(run)) throw new FederationError('NOT_FOUND', `no run ${run}`);
        await socket.join(run);
        const rows = await deps.entries.page(from, LIMITS.pageEntriesMax, { run });
        const entries = rows.map(({ text }) => JSON.parse(text) as Entry);
        const whole = rows.length < LIMITS.pageEntriesMax;
        return { ok: true, entries, whole, connected: presence.connected() } as const;
      }),
    );
  });
}
