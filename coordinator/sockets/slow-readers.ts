/**
 * A connection whose other end reads more slowly than it is written to, or not at all: what waits for it is memory. One
 * that does not read gets no ping either and is cut off for that; but it may send pongs nobody asked for.
 */
import type { IncomingMessage } from 'node:http';
import type { Server } from 'socket.io';

/**
 * Some minutes of a slow line, and perhaps as much again that was handed to the system already. Who is cut off comes
 * again, and asks for what it has missed page by page.
 */
export const WAITING_BYTES_MAX = 32 * 1_048_576;

/**
 * Cuts off whoever has more waiting than that.
 * @param onCut called with how much was waiting
 */
export function cutOffSlowReaders(io: Server, bytesMax: number, onCut: (waiting: number) => void): void {
  io.engine.on('connection', (connection: EngineConnection) => {
    let waiting = 0;
    connection.on('packetCreate', ({ data }) => {
      waiting += data?.length ?? 0;
      if (waiting <= bytesMax) return;
      onCut(waiting);
      waiting = 0;
      connection.request.socket.destroy(); // a WebSocket would wait half a minute for a good-bye that it cannot read
    });
    // all that waited is on its way: the transport takes the next packets when the system has taken these
    connection.on('flush', () => (waiting = 0));
  });
}

/** What is used of a connection of engine.io, whose own types are not exported with socket.io's. */
interface EngineConnection {
  on(
    event: 'packetCreate',
    listener: (packet: { readonly data?: { readonly length: number } }) => void,
  ): void;
  on(event: 'flush', listener: () => void): void;
  readonly request: IncomingMessage;
}
