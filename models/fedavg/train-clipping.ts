/**
 * Gradient clipping by global norm (Pascanu et al. 2013, algorithm 1): one batch of odd rows moves the weights no
 * further than a batch of ordinary ones could.
 */
import type { Tensor1D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '#models/fedavg/tensorflow-engine.ts';

/** g·min(1, normMax/‖g‖₂). A gradient that is not finite stays so, for the trainer to see. */
export function clipByNorm(tf: TensorFlow, gradient: Tensor1D, normMax: number | undefined): Tensor1D {
  if (normMax === undefined) return gradient;
  const norm = Math.sqrt(tf.sum(tf.square(gradient)).dataSync()[0]!);
  return norm <= normMax ? gradient : tf.mul(gradient, normMax / norm);
}
