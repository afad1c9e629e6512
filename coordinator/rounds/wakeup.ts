/** A wait that an event or a deadline ends, whichever is first. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Wakeup {
  closed = false;
  private pending = false;
  private resume: (() => void) | undefined;

  /** Something changed: the waiter looks again. */
  wake(): void {
    this.pending = true;
    this.resume?.();
  }

  close(): void {
    this.closed = true;
    this.resume?.();
  }

  /** Resolves at the next `wake`, at once if one came since the last wait, or after `ms`. */
  async wait(ms: number): Promise<void> {
    if (!this.pending && !this.closed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(Math.max(ms, 0), TIMER_MS_MAX));
        this.resume = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.resume = undefined;
    }
    this.pending = false;
  }
}
