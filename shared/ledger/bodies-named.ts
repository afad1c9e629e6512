/** What is large lives beside the ledger: which bodies an entry names, and what each is. */
import type { Message, MessageType } from '#shared/protocol/messages.ts';

export interface NamedBody {
  readonly root: string;
  /**
   * Contracts and models are kept for good; the vectors of banks, their sums and the tables of encrypted shares
   * only as long as the retention policy says.
   */
  readonly kind: 'contract' | 'vector' | 'shares' | 'sum' | 'model';
}

/** Types of messages that name a body; of `run-finished` those that end with a model. */
export const NAME_BODIES = [
  'run-proposed',
  'plain-input',
  'masked-input',
  'share-keys',
  'close-round',
  'run-finished',
] as const satisfies readonly MessageType[];

export function bodyNamedBy(message: Message): NamedBody | undefined {
  switch (message.type) {
    case 'run-proposed':
      return { root: message.payload.plan.contract, kind: 'contract' };
    case 'plain-input':
    case 'masked-input':
      return { root: message.payload.vectorRoot, kind: 'vector' };
    case 'share-keys':
      return { root: message.payload.table, kind: 'shares' };
    case 'close-round':
      return { root: message.payload.sumRoot, kind: 'sum' };
    case 'run-finished':
      return message.payload.artefact === undefined
        ? undefined
        : { root: message.payload.artefact, kind: 'model' };
    default:
      return undefined;
  }
}

export function isKeptForGood({ kind }: NamedBody): boolean {
  return kind === 'contract' || kind === 'model';
}
