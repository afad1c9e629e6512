/** A TCP line between two parties that a test can break: hang up and refuse, swallow or hold back what is sent. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { closeLater } from './opened.ts';

export class BreakingLine {
  port = 0;
  /** Connections that were accepted. */
  dialled = 0;
  private readonly sockets = new Set<Socket>();
  /** Half-open: what comes over these is read and goes nowhere. */
  private readonly swallowing = new Set<Socket>();
  private refuses = false;
  private hangs = false;
  private held: { readonly text: string; readonly through: Promise<void> } | undefined;

  /** @param target URL of who is dialled; a port must be in it */
  static async to(target: string): Promise<BreakingLine> {
    const line = new BreakingLine();
    const { hostname, port } = new URL(target);
    const server = createServer((near) => {
      near.on('error', () => {});
      if (line.refuses) return void near.destroy();
      line.dialled++;
      const far = connect(Number(port), hostname);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        line.sockets.add(socket);
        socket.on('data', (bytes) => {
          if (line.hangs || line.swallowing.has(socket)) return;
          if (line.held === undefined || !bytes.includes(line.held.text)) return void other.write(bytes);
          socket.pause();
          void line.held.through.then(() => {
            other.write(bytes);
            socket.resume();
          });
        });
        socket.on('error', () => {});
        socket.on('close', () => {
          line.sockets.delete(socket);
          if (!line.swallowing.delete(socket)) other.destroy(); // else nobody hears of it
        });
      }
      return undefined;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    line.port = (server.address() as AddressInfo).port;
    closeLater(() => {
      for (const socket of line.sockets) socket.destroy();
      server.close();
    });
    return line;
  }

  /** Every connection there is stays open, and nothing comes through any more. New ones are as good as ever. */
  swallow(): void {
    for (const socket of this.sockets) this.swallowing.add(socket);
  }

  /** Nothing comes through any more, over new connections neither. */
  hang(): void {
    this.hangs = true;
  }

  /**
   * A piece with this text in it, and what follows it on its connection, waits.
   * @returns lets it through
   */
  holdBack(text: string): () => void {
    let letThrough: () => void = () => {};
    this.held = { text, through: new Promise((resolve) => (letThrough = resolve)) };
    return () => {
      this.held = undefined;
      letThrough();
    };
  }

  /** Hangs up, and on everybody who dials until `mend`. */
  cut(): void {
    this.refuses = true;
    for (const socket of this.sockets) socket.destroy();
  }

  /** What it had swallowed does not come back: its connections break. */
  mend(): void {
    if (this.hangs) for (const socket of this.sockets) socket.destroy();
    this.hangs = false;
    this.refuses = false;
  }
}
