// What most rows need: the real registry:2 as an upstream behind a relay, and a Tarn that mirrors it as `quay.io`.
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../../helpers/client.ts'
import { openClient } from '../../helpers/client.ts'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { Machine } from '../helpers/machine.ts'
import { makeMachine } from '../helpers/machine.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import type { Tarn, TarnOptions } from '../helpers/tarn.ts'
import { makeTarnProgram, startRegistry } from '../helpers/tarn.ts'
import type { Relay } from './relay.ts'
import { startRelay } from './relay.ts'

/** The name under which the upstream is mirrored. */
export const HOST = 'quay.io'

export interface Upstream {
  readonly relay: Relay
  /** The upstream itself, past the relay: to push to. */
  readonly client: Client
  readonly data: string
  /** Ends it at once, as a machine that loses its power. */
  kill(): Promise<void>
  /** Serves the same directory again, behind the same relay. */
  restart(): Promise<void>
}

/** Starts an empty docker-registry behind a relay. */
export async function startUpstream(machine: Machine): Promise<Upstream> {
  const program = makeDockerRegistryProgram()
  let registry = await startRegistry(machine, program)
  const { home, data } = registry
  const relay = await startRelay(Number(new URL(registry.url).port), { onEnd: (act) => machine.onEnd(act) })
  let client = openClient({ url: registry.url })
  machine.onEnd(async () => client.close())
  return {
    relay,
    data,
    get client() {
      return client
    },
    async kill() {
      await registry.stop('SIGKILL')
    },
    async restart() {
      registry = await startRegistry(machine, program, { home, data })
      client.close()
      client = openClient({ url: registry.url })
      relay.lead(Number(new URL(registry.url).port))
    },
  }
}

/** The block `mirror:` of a Tarn that mirrors this url as quay.io, with `more` keys of the upstream. */
export function mirrorOf(url: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { mirror: { anonymous: true, upstreams: [{ host: HOST, url: [url], insecure: true, ...more }] } }
}

/** Runs a part of the suite on a machine of its own, so that what it started ends with it. */
export async function apart(context: E2EContext, act: (context: E2EContext) => Promise<void>): Promise<void> {
  const machine = makeMachine()
  // Whoever ends the suite in the middle ends this too.
  context.machine.onEnd(() => machine.end())
  const program = makeTarnProgram(context.checkout, context.node)
  const startTarn: E2EContext['startTarn'] = (options) => startRegistry(machine, program, options)
  try {
    await act({ ...context, machine, startTarn })
  } finally {
    await machine.end()
  }
}

/** As the recorder's check, each row on a machine of its own. */
export function checkApart(
  context: E2EContext,
  recorder: Recorder,
): (name: string, act: (context: E2EContext) => Promise<void>) => Promise<void> {
  return async (name, act) => {
    await recorder.check(name, () => apart(context, act))
  }
}

export interface Scene {
  readonly upstream: Upstream
  readonly relay: Relay
  readonly tarn: Tarn
}

/** An upstream and a Tarn that mirrors it. */
export async function setScene(
  context: E2EContext,
  more: Record<string, unknown> = {},
  options: TarnOptions = {},
): Promise<Scene> {
  const upstream = await startUpstream(context.machine)
  const tarn = await context.startTarn({ config: mirrorOf(upstream.relay.url, more), ...options })
  return { upstream, relay: upstream.relay, tarn }
}

const PATIENCE_MS = 60_000

/** Asks again and again until it is true; throws after a minute. */
export async function waitUntil(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not in ${PATIENCE_MS} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The file that says what a tag names, in distribution's layout. */
export function tagLink(data: string, repository: string, tag: string): string {
  const folder = join(data, 'docker', 'registry', 'v2', 'repositories', repository)
  return join(folder, '_manifests', 'tags', tag, 'current', 'link')
}

export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/** Waits until the image under the tag is whole, which is when its link is there. */
export async function waitForTag(tarn: Tarn, repository: string, tag: string): Promise<void> {
  const link = tagLink(tarn.data, repository, tag)
  await waitUntil(`${repository}:${tag} is whole\n${tarn.service.log().slice(-1500)}`, () => exists(link))
}

/** Throws with these words unless it holds. */
export function must(holds: boolean, words: string): void {
  if (!holds) throw new Error(words)
}
