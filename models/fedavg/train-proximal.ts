/**
 * FedProx (Li et al. 2020, "Federated optimization in heterogeneous networks", equation 2): a bank minimises its
 * own loss plus (µ/2)·‖w − w_received‖², which keeps banks whose applicants differ from drifting apart.
 */
import type { Tensor1D } from '@tensorflow/tfjs-core';
import type { TensorFlow } from '#models/fedavg/tensorflow-engine.ts';

/** g + µ·(w − w_received), the gradient of that sum. All flat, of one length. */
export function addProximalTerm(
  tf: TensorFlow,
  gradient: Tensor1D,
  weights: Tensor1D,
  received: Tensor1D,
  mu: number,
): Tensor1D {
  return tf.add(gradient, tf.mul(tf.sub(weights, received), mu));
}
