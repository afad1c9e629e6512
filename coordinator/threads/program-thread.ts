/** The thread's side of `ThreadedProgram`: one request after the other. */
import { parentPort } from 'node:worker_threads';
import { InlineProgram } from '#coordinator/rounds/run-program.ts';
import { giveWay } from '#coordinator/threads/give-way.ts';
import type { ProgramReply, ProgramRequest } from '#coordinator/threads/threaded-program.ts';
import { describeError, FederationError } from '#shared/protocol/error-codes.ts';

giveWay();
const port = parentPort!;
let program: InlineProgram | undefined;

async function serve(request: ProgramRequest): Promise<string | undefined> {
  if (request.method === 'begin')
    program = new InlineProgram(request.plan, request.contract, request.participants);
  else if (request.method === 'read') return program!.read(request.words, request.banks);
  else await program!.advance();
  return undefined;
}

async function answer(request: ProgramRequest): Promise<void> {
  let reply: ProgramReply;
  try {
    const root = await serve(request);
    const { asked, metrics, finished } = program!;
    reply = { position: { asked, metrics, finished, ...(root === undefined ? {} : { root }) } };
  } catch (error) {
    const code = error instanceof FederationError ? error.code : 'INTERNAL';
    reply = { error: { code, message: describeError(error) } };
  }
  const artefact = 'position' in reply ? reply.position.finished?.artefact : undefined;
  port.postMessage(reply, artefact === undefined ? [] : [artefact.buffer as ArrayBuffer]);
}

port.on('message', (request: ProgramRequest) => void answer(request));
