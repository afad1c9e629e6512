/** What `tallystick agent status` reads while the agent goes on. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { AgentState } from '#participant-agent/state/agent-state.ts';
import { temporaryFolder } from '../support/opened.ts';

test("an agent's status is whole whenever another process reads it, however often it changes", async () => {
  const folder = await temporaryFolder('status');
  const [agent, reader] = [await AgentState.open(folder), await AgentState.open(folder)];
  const write = (size: number): Promise<void> =>
    agent.writeStatus({ connected: true, since: 'x'.repeat(size), runs: [] });
  await write(0);
  const readAll = async (): Promise<void> => {
    for (let i = 0; i < 500; i++) expect((await reader.status())?.connected).toBe(true);
  };
  const writeAll = async (): Promise<void> => {
    for (let i = 0; i < 1000; i++) {
      await write((i * 97) % 9000);
      await setImmediate(); // the readers' turn
    }
  };
  await Promise.all([writeAll(), ...Array.from({ length: 4 }, readAll)]);
});
