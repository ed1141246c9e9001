// I3 by strace: runs a server life under strace, has it do every acknowledging act, and asks the checker
// what a power cut at each answer could have taken. Then the same with each fsync left out in turn, which the
// checker must see (a check that cannot fail proves nothing).
import { cp, mkdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { SYNC_SITES } from '../../../src/storage/sync.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Ack } from './check-acks.ts'
import { TRACED_CALLS, checkAcks, isExempt } from './check-acks.ts'
import { connectTo, describeReply } from './client.ts'
import type { Loss } from './file-model.ts'
import { FileModel } from './file-model.ts'
import type { ServeOptions } from './serve.ts'
import { serve, writeConfig } from './serve.ts'
import type { TracedAct } from './traced-acts.ts'
import { TRACED_ACTS, pushHeld } from './traced-acts.ts'

/** Adds the rows of the strace checker: one an act, one a left-out fsync, one for docker-registry. */
export async function checkBySystemCalls(context: E2EContext, recorder: Recorder): Promise<void> {
  const refusal = await whyNoStrace(context)
  if (refusal !== undefined) {
    recorder.skip('strace: every act is durable before it is acknowledged', refusal)
    return
  }
  const seed = await prepareHeld(context)
  let found: Map<TracedAct, string[]> | undefined
  await recorder.check('strace: every act is acknowledged and seen in the trace', async () => {
    found = await traceActs(context, seed, TRACED_ACTS, {})
  })
  for (const act of found === undefined ? [] : TRACED_ACTS) {
    await recorder.check(`strace: durable before it is acknowledged: ${act.name}`, async () => {
      fail(found?.get(act) ?? ['not seen'])
    })
  }
  for (const site of SYNC_SITES) {
    await recorder.check(`strace: sees the missing fsync of the ${site}`, async () => {
      const all = await traceActs(context, seed, TRACED_ACTS, { leaveOut: [site] })
      // An act that fails with all fsyncs in place proves nothing about this one.
      const seen = [...all].filter(([act, losses]) => losses.length > 0 && found?.get(act)?.length === 0)
      if (seen.length === 0) throw new Error('a server without this fsync passed the checker')
    })
  }
  await recorder.check('strace: sees that docker-registry 2.8.2 fsyncs no directory', async () => {
    const acts = TRACED_ACTS.filter((act) => act.isNew !== true && act.isHeld !== true)
    const all = await traceActs(context, seed, acts, { binary: 'docker-registry' })
    const directories = [...all.values()].flat().filter((loss) => loss.includes('directory not fsynced'))
    if (directories.length === 0) throw new Error('a server that fsyncs no directory passed the checker')
  })
}

async function whyNoStrace(context: E2EContext): Promise<string | undefined> {
  try {
    await context.machine.run('strace', ['-f', '--seccomp-bpf', '-o', '/dev/null', 'true'])
    return undefined
  } catch (error) {
    return `strace does not work here: ${(error as Error).message}`
  }
}

// The bytes that "came by tar": made by a server whose life nobody traces.
async function prepareHeld(context: E2EContext): Promise<string> {
  const seed = await context.machine.scratch('held')
  const served = await serve(context, await writeConfig(context, seed))
  const client = connectTo(served.origin)
  const replies = await pushHeld(client)
  client.close()
  await served.kill('SIGTERM')
  const refused = replies.find((reply) => reply.status !== 201)
  if (refused !== undefined) throw new Error(`could not prepare the data: ${describeReply(refused)}`)
  return seed
}

/** One life under strace on a copy of `seed`; for each act what could be lost, in words. Throws when an act fails. */
export async function traceActs(
  context: E2EContext,
  seed: string,
  acts: readonly TracedAct[],
  options: ServeOptions,
): Promise<Map<TracedAct, string[]>> {
  const folder = await realpath(await context.machine.scratch('strace'))
  const data = join(folder, 'data')
  const log = join(folder, 'trace')
  await mkdir(data)
  // A plain copy: the caches under .tarn speak of other inodes and must not be believed.
  await cp(seed, data, { recursive: true, preserveTimestamps: true })
  const model = new FileModel(data, (path) => isExempt(data, path))
  const trace = { log, calls: TRACED_CALLS }
  const served = await serve(context, await writeConfig(context, data), { ...options, trace })
  const client = connectTo(served.origin)
  const refusals: string[] = []
  try {
    for (const act of acts) {
      const reply = await act.run(client)
      const expected = act.request.startsWith('DELETE') ? 202 : 201
      if (reply.status !== expected) refusals.push(`${act.name}: ${describeReply(reply)}`)
    }
  } finally {
    client.close()
    await served.kill('SIGTERM')
  }
  fail(refusals)
  const inspect = (at: number): Loss[] => inspectPromises(model, data, acts[at])
  return assign(acts, checkAcks(await readFile(log, 'latin1'), model, inspect), data)
}

// What an answer promises must be there when it leaves; bytes of another program must have been fsynced by us.
function inspectPromises(model: FileModel, data: string, act: TracedAct | undefined): Loss[] {
  const paths = (act?.promises ?? []).map((path) => join(data, path))
  const absent = paths.filter((path) => !model.has(path)).map((path) => ({ path, why: 'promised but not there' }))
  return act?.isHeld === true ? [...absent, ...paths.flatMap((path) => model.findNeverSynced(path))] : absent
}

function assign(acts: readonly TracedAct[], acks: readonly Ack[], data: string): Map<TracedAct, string[]> {
  const found = new Map<TracedAct, string[]>()
  // An answer that no act asked for would be counted to the wrong act: the two lists must agree.
  const seen = acks.map((ack) => ack.request)
  if (seen.length !== acts.length) throw new Error(`${acts.length} acts, but the trace shows: ${seen.join(', ')}`)
  for (const [at, act] of acts.entries()) {
    const ack = acks[at]
    if (ack === undefined || !ack.request.startsWith(act.request)) {
      throw new Error(`expected ${act.request} in the trace, found ${ack?.request}`)
    }
    found.set(
      act,
      ack.losses.map((loss) => `${loss.path.slice(data.length)}: ${loss.why}`),
    )
  }
  return found
}

function fail(reasons: readonly string[]): void {
  if (reasons.length > 0) throw new Error(reasons.join('; '))
}
