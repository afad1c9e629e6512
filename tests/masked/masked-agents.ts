/** Agents in masked runs whose answers a test can hold back. */
import type { RunComputer } from '#participant-agent/training/run-computer.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import type { ProposedPlan } from '#scripts/operator/plan-file.ts';
import type { CoordinatorUnderTest } from '../support/test-bank.ts';
import { stubComputer } from '../support/stub-computer.ts';
import { TestAgent } from '../support/test-agent.ts';
import { tinyPlan, type TinyPlanOptions } from '../support/tiny-bank-data.ts';

export function maskedPlan(ids: readonly string[], options: TinyPlanOptions = {}): ProposedPlan {
  return { ...tinyPlan(ids, options), aggregation: 'masked' };
}

function stopping(): FederationError {
  return new FederationError('STOPPED', 'the agent is stopping');
}

/** Lets so many answers through; the others wait, until the agent is stopped. */
export class Turnstile {
  private passes: number;
  private readonly waiting = new Map<() => void, () => void>();

  constructor(passes = Infinity) {
    this.passes = passes;
  }

  let(more: number): void {
    this.passes += more;
    for (const [go] of [...this.waiting].slice(0, this.passes)) {
      this.passes--;
      this.waiting.delete(go);
      go();
    }
  }

  pass(): Promise<void> {
    if (this.passes > 0) {
      this.passes--;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.waiting.set(resolve, () => reject(stopping()));
    });
  }

  breakOff(): void {
    for (const leave of this.waiting.values()) leave();
    this.waiting.clear();
  }
}

/** An agent with stub answers, each of which goes through the turnstile. */
export function heldAgent(
  coordinator: CoordinatorUnderTest,
  id: string,
  turnstile: Turnstile,
): Promise<TestAgent> {
  return TestAgent.join(coordinator, id, {
    createComputer: (dataFile) => behind(turnstile, stubComputer(dataFile, id)),
  });
}

/** Each answer goes through the turnstile. */
export function behind(turnstile: Turnstile, computer: RunComputer): RunComputer {
  const answer = computer.answer.bind(computer);
  const dispose = computer.dispose.bind(computer);
  let stopped = false;
  computer.answer = async (...args) => {
    // it may be asked just when it is being stopped: nobody would come to let it through
    if (stopped) throw stopping();
    await turnstile.pass();
    return answer(...args);
  };
  computer.dispose = () => {
    stopped = true;
    turnstile.breakOff();
    return dispose();
  };
  return computer;
}
