/** Whom an agent believes that the coordinator is who it says: certificate authorities. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import tls from 'node:tls';
import type { AgentConfig } from '#participant-agent/config.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

/** As Node takes it; undefined for what it trusts by itself. */
export type Trust = readonly string[] | undefined;

/**
 * What Node trusts by itself and, besides, the authorities in `caFile`: alone, Node's option `ca` would take their place,
 * and a certificate by a public authority would be refused.
 * @throws FederationError CONFIG when the file cannot be read
 */
export async function trustOf(folder: string, { coordinator }: AgentConfig): Promise<Trust> {
  if (coordinator.caFile === undefined) return undefined;
  return trustIn(resolve(folder, coordinator.caFile), 'caFile in agent.yaml');
}

/** @param named where the file is named, for whoever has to correct it. @throws FederationError CONFIG */
export async function trustIn(path: string, named: string): Promise<Trust> {
  try {
    return trustBesides(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new FederationError('CONFIG', `${path} cannot be read: ${describeError(cause)}; see ${named}`, {
      cause,
    });
  }
}

/** @param pem certificates of authorities */
export function trustBesides(pem: string): string[] {
  return [...ownTrust(), pem];
}

/** With NODE_EXTRA_CA_CERTS and the like where Node can tell (22.15 and later), else those it was built with. */
function ownTrust(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] };
  return getCACertificates?.('default') ?? tls.rootCertificates;
}
