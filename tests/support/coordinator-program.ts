/**
 * A program: a coordinator alone in its process, for tests in which it may run out of disk or die. Takes its
 * configuration and an operator token as JSON, says when it is ready and when it is broken, and ends when its
 * standard input does.
 */
import { createCoordinator } from '#coordinator/coordinator.ts';
import { parseCoordinatorConfig } from '#coordinator/config.ts';
import { createLogger } from '#coordinator/logger.ts';
import { systemClock } from '#coordinator/clock.ts';

const { config, operatorToken, logLevel } = JSON.parse(process.argv[2]!) as {
  config: Parameters<typeof parseCoordinatorConfig>[0];
  operatorToken: string;
  logLevel: string;
};
const say = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

const coordinator = await createCoordinator(parseCoordinatorConfig(config), {
  clock: systemClock,
  log: createLogger(logLevel),
  onBroken: ({ code, message }) => say({ broken: { code, message } }),
});
await coordinator.tokens.add('test-operator', 'operator', operatorToken, systemClock.now()).catch(() => {}); // it is there from an earlier start
say({ ready: true, url: coordinator.url, charter: coordinator.charter });
process.stdin.resume().once('end', () => void coordinator.close());
