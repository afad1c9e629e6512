/**
 * What happens to a bank in one run, and what it has to do: the two sides of `Participant.step`. Whoever runs a
 * participant carries out its effects and tells it what became of them.
 *
 * Effects of one step are carried out in their order, but for those marked *long*: they are begun in that order, and
 * what comes after them does not wait.
 */
import type { OpenRound, PastRound } from '#shared/ledger/federation-state.ts';
import type { ErrorCode } from '#shared/protocol/error-codes.ts';
import type { BankMessage, Message } from '#shared/protocol/messages.ts';
import type { HeldKeys } from '#shared/secure-sum/bank-session.ts';
import type { Mask } from '#shared/secure-sum/mask-keys.ts';

/** Where the bank's own recomputation of the run stands. */
export interface Position {
  /** The question that must come next, or undefined when the program is done. */
  readonly question:
    | { readonly hash: string; readonly kind: string; readonly ring: 'u32' | 'u64'; readonly length: number }
    | undefined;
  readonly metrics: Readonly<Record<string, number>>;
}

/** A bank's decision about a run, by its policy or by a person. */
export interface Decision {
  readonly decision: 'granted' | 'refused';
  readonly reason: string;
}

/** What is kept of a session: its seed until its keys are complete, and then those. */
export interface KeptKeys {
  readonly seed?: Uint8Array | undefined;
  readonly held?: HeldKeys | undefined;
}

export type Event =
  /** The ledger has grown, or time has passed. */
  | { readonly kind: 'ledger' }
  | { readonly kind: 'decided'; readonly decision: Decision }
  | { readonly kind: 'loaded' }
  /** The bank's rows cannot be used: nobody else is told why. */
  | { readonly kind: 'not-loaded'; readonly reason: string }
  | { readonly kind: 'keys'; readonly session: string; readonly kept: KeptKeys }
  /** By dealer; undefined when the session is over. */
  | {
      readonly kind: 'shares';
      readonly session: string;
      readonly packages: ReadonlyMap<number, Uint8Array> | undefined;
    }
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'answered'; readonly ctx: string; readonly vectorRoot: string }
  | { readonly kind: 'not-answered'; readonly ctx: string; readonly code: ErrorCode; readonly reason: string }
  /** The sum of a past round is the one of the certified vectors. */
  | { readonly kind: 'checked'; readonly ctx: string }
  /** An effect failed in a way that this bank cannot mend. */
  | { readonly kind: 'failed'; readonly error: unknown };

export type Effect =
  /** Long: asks policy and people → decided. */
  | { readonly do: 'decide' }
  /** Long: reads and checks the bank's rows → loaded, not-loaded. */
  | { readonly do: 'load' }
  /** Keeps a message of others that the bank binds itself to. */
  | { readonly do: 'keep'; readonly message: Message; readonly purposes: readonly string[] }
  /** Keeps what is promised, then sends. */
  | {
      readonly do: 'say';
      readonly message: BankMessage;
      readonly purposes: readonly string[];
      readonly round: number | undefined;
      readonly detail: string;
      /** Goes with the message; of a vector the bytes are those that `answered` was about. */
      readonly body?: { readonly root: string; readonly bytes?: Uint8Array; readonly open?: OpenRound };
    }
  /** Long: begins the program with the roster of the run → position. */
  | { readonly do: 'begin' }
  /** What is kept of a session, whose seed is made if `make` and there is none → keys. */
  | { readonly do: 'open-keys'; readonly session: string; readonly make: boolean }
  /** @property isNew whether they replace the seed: then nothing may be sent before they are on disk */
  | { readonly do: 'keep-keys'; readonly session: string; readonly held: HeldKeys; readonly isNew: boolean }
  | { readonly do: 'forget-keys'; readonly session: string }
  /** Long: what the dealers of a sealed session dealt to this bank → shares. */
  | { readonly do: 'fetch-shares'; readonly session: string; readonly dealers: readonly number[] }
  /** Long: the answer to the question of an open round, with masks → answered, not-answered. */
  | { readonly do: 'answer'; readonly open: OpenRound; readonly masks: readonly Mask[] }
  /** Long: the program's step with a closed round's sum → position. */
  | { readonly do: 'take-sum'; readonly past: PastRound }
  /** Long: adds the certified vectors up → checked, failed. */
  | { readonly do: 'check-sum'; readonly past: PastRound }
  /** Something is due then, in ms since 1970, whatever the ledger does. */
  | { readonly do: 'wake'; readonly at: number }
  /** Cosigns the ledger as the run's checkpoint shows it. */
  | { readonly do: 'cosign' }
  /** The last: ends what is under way, forgets secrets, and keeps the model if there is one. */
  | { readonly do: 'end'; readonly keepModel: boolean }
  /** For this bank's own people. */
  | {
      readonly do: 'report';
      readonly level: 'info' | 'warn' | 'error';
      readonly text: string;
      readonly error?: unknown;
    };
