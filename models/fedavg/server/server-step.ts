/** What everybody does with the average of the banks' changes: pure, and the same bits on every machine. */
import { z } from 'zod';
import {
  adaptiveSettings,
  adaptiveStep,
  startAdaptive,
  type AdaptiveState,
} from '#models/fedavg/server/adaptive.ts';
import {
  momentumSettings,
  momentumStep,
  startMomentum,
  type MomentumState,
} from '#models/fedavg/server/momentum.ts';

export const serverSettings = z.discriminatedUnion('optimizer', [momentumSettings, adaptiveSettings]);
export type ServerSettings = z.infer<typeof serverSettings>;

/** What the optimiser remembers from round to round. */
export type ServerState = MomentumState | AdaptiveState;

/**
 * w ← w + step, where the average change of weight i is `change[i]·factor`.
 * @param state of the round before, undefined in the first; ours to change
 * @param to receives the new weights; may not be `from`
 */
export function serverStep(
  settings: ServerSettings,
  state: ServerState | undefined,
  change: Int32Array,
  factor: number,
  from: Float32Array,
  to: Float32Array,
): ServerState {
  if ('momentum' in settings) {
    const now = (state as MomentumState | undefined) ?? startMomentum(settings, to.length);
    momentumStep(settings, now, change, factor, from, to);
    return now;
  }
  const now = (state as AdaptiveState | undefined) ?? startAdaptive(settings, to.length);
  adaptiveStep(settings, now, change, factor, from, to);
  return now;
}
