// What never opens a connection outwards, seen in the system calls of the whole process: a configuration of registry:2
// without `mirror:`, and a mirror that is told to be offline.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openClient } from '../../helpers/client.ts'
import { endChildren } from '../durability/serve.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { makeImage, makeLayer, pushImage } from './images.ts'
import { checkApart, mirrorOf, must, startUpstream } from './scene.ts'

const CALLS = 'trace=connect,sendto,sendmsg,sendmmsg'

/** Requests of clients that mean another registry. */
const ASKED = [
  '/v2/library/alpine/manifests/latest',
  '/v2/library/alpine/manifests/latest?ns=docker.io',
  '/v2/team/app/manifests/1?ns=quay.io',
  '/v2/team/app/manifests/1?ns=127.0.0.1:5000',
  '/v2/docker.io/library/alpine/manifests/latest',
  '/v2/quay.io/team/app/manifests/1',
  '/v2/registry.k8s.io/pause/tags/list',
  `/v2/quay.io/team/app/blobs/sha256:${'a'.repeat(64)}`,
  `/v2/quay.io/team/app/referrers/sha256:${'a'.repeat(64)}`,
  '/v2/_catalog',
  '/metrics',
  '/readyz',
]

export async function checkSilent(context: E2EContext, recorder: Recorder): Promise<void> {
  const check = checkApart(context, recorder)
  await check('a registry:2 configuration without mirror: opens no connection outwards', async (own) => {
    const calls = await traceLife(own, {})
    must(calls.length === 0, `it did: ${calls.join('\n')}`)
  })
  const wellKnown = { mirror: { anonymous: true, offline: true, upstreams: 'well-known' } }
  await check('a mirror with offline: true opens no connection outwards', async (own) => {
    const calls = await traceLife(own, wellKnown)
    must(calls.length === 0, `it did: ${calls.join('\n')}`)
  })
  await check('a mirror that may go out is seen to do so by the same log', async (own) => {
    const { relay } = await startUpstream(own.machine)
    const calls = await traceLife(own, mirrorOf(relay.url))
    must(calls.length > 0, 'the log saw nothing, so the rows above show nothing')
    const strangers = calls.filter((call) => !call.includes(`htons(${relay.port})`))
    must(strangers.length === 0, `it spoke to others than its upstream: ${strangers.join('\n')}`)
  })
}

/** One life under strace with pushes and all kinds of asks; gives the system calls that went to another machine or port. */
async function traceLife(context: E2EContext, config: Record<string, unknown>): Promise<string[]> {
  const log = join(await context.machine.scratch('strace'), 'log')
  const prefix = ['strace', '-f', '-q', '--seccomp-bpf', '-e', CALLS, '-o', log]
  const tarn = await context.startTarn({ config, prefix })
  const client = openClient({ url: tarn.url })
  try {
    await pushImage(client, 'team/own', makeImage([makeLayer('own', 1000)]), '1')
    for (const path of ASKED) {
      await client.send('GET', path)
      await client.send('HEAD', path)
    }
  } finally {
    client.close()
  }
  endChildren(tarn.service.pid, 'SIGTERM')
  await tarn.stop()
  const lines = (await readFile(log, 'utf8')).split('\n')
  return lines.filter((line) => /sa_family=AF_INET6?\b/.test(line))
}
