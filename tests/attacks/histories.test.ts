/** A bank that is started again and told another history of the same run. */
import { expect, test } from 'vitest';
import { Consortium } from './consortium.ts';

test.fails('a bank does not answer the same questions among other banks', async () => {
  const consortium = await Consortium.gather();
  consortium.propose();
  await consortium.coordinator.until('consent');
  const proposed = consortium.history.fork();
  consortium.history.say('run-started', consortium.runStarted());
  await consortium.dealKeys();
  await consortium.round();
  // the sum of a, b, c and d is known; the sum of a, b and c would show d
  await consortium.restart(proposed);
  const roster = consortium.names.slice(0, 3);
  const identityKeys = consortium.identityKeys.slice(0, 3);
  const { mark } = consortium;
  proposed.say('run-started', consortium.runStarted({ roster, identityKeys }));
  proposed.say('open-session', consortium.openSession(1, { participants: roster }));
  const advertised = consortium.coordinator.until('advertise-keys', mark).then(({ type }) => type);
  const broken = Promise.race([consortium.agent.brokenOff(), consortium.agent.leftRun()]);
  const reaction = await Promise.race([broken, advertised]);
  await consortium.settle();
  expect(reaction).toBe('EQUIVOCATION');
});
