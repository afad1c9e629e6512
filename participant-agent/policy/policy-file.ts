/**
 * `policy.yaml` as it is now: a bank that tightens its rules does not wait for a restart. The file is looked at whenever
 * a rule is asked for, which is once a proposal and once a round.
 */
import { statSync } from 'node:fs';
import { readYamlNow } from '#participant-agent/config.ts';
import type { Logger } from '#participant-agent/logger.ts';
import { policy as policySchema, type Policy } from '#participant-agent/policy/policy.ts';
import { describeError } from '#shared/protocol/error-codes.ts';

const IF_MISSING = 'run "tallystick agent enrol" first';

export class PolicyFile {
  private readonly path: string;
  private readonly log: Logger;
  private seen: string;
  private policy: Policy;

  private constructor(path: string, log: Logger, seen: string, policy: Policy) {
    this.path = path;
    this.log = log;
    this.seen = seen;
    this.policy = policy;
  }

  /** @throws FederationError CONFIG */
  static open(path: string, log: Logger): PolicyFile {
    const policy = readPolicy(path);
    return new PolicyFile(path, log, stampOf(path), policy);
  }

  /** The rules in force. A file that makes no sense was meant to say something: until it does, nothing is consented to without a person. */
  current(): Policy {
    const stamp = stampOf(this.path);
    if (stamp === this.seen) return this.policy;
    this.seen = stamp; // before it is read: what is written meanwhile is read the next time
    try {
      this.policy = readPolicy(this.path);
      this.log.info('policy.yaml has changed; its new rules hold from now on');
    } catch (error) {
      this.policy = { ...this.policy, consent: 'ask' };
      this.log.error(
        { reason: describeError(error) },
        'policy.yaml has changed and cannot be read: the rules before it hold, and every run waits for a person; see "tallystick agent policy check"',
      );
    }
    return this.policy;
  }
}

/** @throws FederationError CONFIG naming the rule */
export function readPolicy(path: string): Policy {
  return readYamlNow(path, policySchema, IF_MISSING);
}

function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat === undefined ? 'none' : `${stat.ino}/${stat.mtimeNs}/${stat.size}`;
}
