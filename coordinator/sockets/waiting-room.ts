/**
 * Connections that nobody has vouched for: no bank has signed its challenge on them, nobody has shown a token. Each has
 * a little time, and may send a few bytes in all, whatever they are made of. There are so many places for all, and for
 * each address; when they are taken, whoever has waited longest makes room: an agent needs its place for a moment only,
 * those who hold places open need them for long.
 */
import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'socket.io';
import { addressGroup, clientAddress } from '#coordinator/participants/client-address.ts';
import type { Strangers } from '#coordinator/participants/strangers.ts';
import { LIMITS } from '#shared/protocol/limits.ts';

type Connection = Socket['conn'];

const WITHIN_MS = 10_000;
const PLACES = 1000;
const PLACES_OF_ONE_ADDRESS = 100;

interface Place {
  readonly address: string;
  readonly patience: NodeJS.Timeout;
  readonly listen: (chunk: Buffer) => void;
}

export class WaitingRoom {
  private readonly strangers: Strangers;
  private readonly proxies: number;
  /** Whoever came first is first. */
  private readonly places = new Map<Connection, Place>();

  /** @param proxies of our own in front */
  constructor(strangers: Strangers, proxies: number) {
    this.strangers = strangers;
    this.proxies = proxies;
  }

  /** What connections of one holder are counted under. */
  addressOf(request: IncomingMessage): string {
    return addressGroup(clientAddress(request, this.proxies));
  }

  /** For socket.io, before there is a WebSocket: the cheapest place to refuse. */
  readonly allowRequest = (
    request: IncomingMessage,
    decide: (refusal: string | null, allowed: boolean) => void,
  ): void => {
    if (this.strangers.mayDial(this.addressOf(request))) decide(null, true);
    else decide('too many connections or failed attempts from this address; wait a minute', false);
  };

  /** Every new connection has to pass here. */
  open(io: Server): void {
    io.engine.on('connection', (connection: Connection) => this.enter(connection));
  }

  /** Somebody did not prove to be a bank. */
  failed(request: IncomingMessage): void {
    this.strangers.failedAuthentication(this.addressOf(request));
  }

  /** Somebody has shown who they are on this connection. */
  vouchFor(connection: Connection): void {
    const place = this.places.get(connection);
    if (place === undefined) return;
    clearTimeout(place.patience);
    connection.request.socket.off('data', place.listen);
    this.places.delete(connection);
  }

  private enter(connection: Connection): void {
    const address = this.addressOf(connection.request);
    this.makeRoom(address);
    let bytes = 0;
    const listen = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > LIMITS.strangerSocketBytesMax) this.turnOut(connection);
    };
    connection.request.socket.prependListener('data', listen);
    const patience = setTimeout(() => this.turnOut(connection), WITHIN_MS);
    this.places.set(connection, { address, patience, listen });
    connection.once('close', () => this.vouchFor(connection));
  }

  private makeRoom(address: string): void {
    const waiting = [...this.places];
    const neighbours = waiting.filter(([, place]) => place.address === address);
    const longest =
      neighbours.length >= PLACES_OF_ONE_ADDRESS
        ? neighbours[0]
        : waiting.length >= PLACES
          ? waiting[0]
          : undefined;
    if (longest !== undefined) this.turnOut(longest[0]);
  }

  private turnOut(connection: Connection): void {
    const place = this.places.get(connection);
    if (place === undefined) return;
    this.strangers.gaveUp(place.address);
    this.vouchFor(connection);
    connection.request.socket.destroy(); // a WebSocket would wait for a good-bye
  }
}
