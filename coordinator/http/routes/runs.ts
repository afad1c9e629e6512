/** Runs: propose, list, show, start early, stop. */
import { z } from 'zod';
import { operatorOf, route, type Route } from '#coordinator/http/route.ts';
import { runView, viewRun } from '#coordinator/http/run-view.ts';
import type { Journal } from '#coordinator/journal/journal.ts';
import { charterHash } from '#coordinator/participants/enrolment.ts';
import { failRun } from '#coordinator/rounds/phases/run-finished.ts';
import { startRun } from '#coordinator/rounds/phases/run-started.ts';
import type { BodyStore } from '#coordinator/store/body-store.ts';
import { RunMachine } from '#models/run-machine.ts';
import { contractBytes, contractHash, dataContract } from '#shared/contract/contract.ts';
import { runOf } from '#shared/ledger/federation-state.ts';
import { cosignedNote } from '#shared/ledger/finality.ts';
import { FederationError } from '#shared/protocol/error-codes.ts';
import { runId } from '#shared/protocol/ids.ts';
import { legible } from '#shared/protocol/foreign-text.ts';
import { plan, planFields } from '#shared/protocol/plan.ts';

export function runRoutes({ journal, bodies }: { journal: Journal; bodies: BodyStore }): Route[] {
  const byId = z.strictObject({ run: runId });
  const find = (id: z.infer<typeof runId>) => runOf(journal.state, id);

  return [
    route({
      method: 'post',
      path: '/runs',
      summary: 'Propose a run: its plan and its data contract. Banks are asked for consent at once.',
      who: ['operator'],
      body: z.strictObject({ contract: dataContract, plan: planFields.omit({ contract: true }) }),
      response: runView,
      async handle({ body, caller }) {
        const root = contractHash(body.contract);
        const parsed = plan.safeParse({ ...body.plan, contract: root });
        if (!parsed.success) {
          const issue = parsed.error.issues[0]!;
          throw new FederationError('PLAN', `plan.${issue.path.join('.')}: ${issue.message}`);
        }
        // the program's own settings and the overflow bounds are checked by starting it
        void new RunMachine(parsed.data, body.contract, parsed.data.participants.length);
        await bodies.put(root, contractBytes(body.contract));
        const { hash } = await journal.record('run-proposed', {
          charter: charterHash(journal),
          plan: parsed.data,
          by: operatorOf(caller),
        });
        return viewRun(find(runId.parse(hash)));
      },
    }),
    route({
      method: 'get',
      path: '/runs',
      summary: 'All runs, newest first.',
      who: ['auditor'],
      response: z.strictObject({ runs: z.array(runView.omit({ rounds: true, plan: true })) }),
      handle: () => ({
        runs: [...journal.state.runs.values()].reverse().map((run) => {
          const { rounds: _rounds, plan: _plan, ...summary } = viewRun(run);
          return summary;
        }),
      }),
    }),
    route({
      method: 'get',
      path: '/runs/:run',
      summary: 'One run with all its rounds.',
      who: ['auditor'],
      params: byId,
      response: runView,
      handle: ({ params }) => viewRun(find(params.run)),
    }),
    route({
      method: 'get',
      path: '/runs/:run/checkpoint',
      summary:
        'The head of the ledger that the end of this run is final under, with its cosignatures (C2SP).',
      who: ['auditor', 'bank'],
      params: byId,
      response: z.string().meta({ description: 'C2SP signed note' }),
      handle({ params }) {
        const run = find(params.run);
        if (run.checkpoint === undefined)
          throw new FederationError('NOT_FOUND', `run ${run.id} is not at its end: nothing was cosigned yet`);
        const { charter, logKeys } = journal.state;
        return cosignedNote(charter!.payload.origin, logKeys, run, run.checkpoint);
      },
    }),
    route({
      method: 'post',
      path: '/runs/:run/start',
      summary: 'Start now with the banks that have consented, without waiting for the others.',
      who: ['operator'],
      params: byId,
      response: runView,
      async handle({ params, caller }) {
        await startRun(find(params.run), journal, operatorOf(caller));
        return viewRun(find(params.run));
      },
    }),
    route({
      method: 'post',
      path: '/runs/:run/stop',
      summary: 'Stop a run. It ends without a model.',
      who: ['operator'],
      params: byId,
      body: z.strictObject({ reason: legible(z.string().min(1).max(400)) }),
      response: runView,
      async handle({ params, body, caller }) {
        await failRun(find(params.run), 'STOPPED', body.reason, journal, operatorOf(caller));
        return viewRun(find(params.run));
      },
    }),
  ];
}
