// A network namespace with one address outside 127/8 on its own loopback device. dockerd checks no
// certificate on 127/8, so its CA is tested here; not one packet can leave the namespace.

import { randomBytes } from 'node:crypto'
import type { Machine } from './machine.ts'

export interface NetworkNamespace {
  /** The address that servers in the namespace listen on. */
  host: string
  /** Words that run a command inside. Not `ip netns exec`: it hides the cgroups, which dockerd wants. */
  prefix: readonly string[]
}

/** Makes a namespace that vanishes with the machine; needs root. */
export async function makeNetworkNamespace(machine: Machine): Promise<NetworkNamespace> {
  const name = `tarn-e2e-${randomBytes(3).toString('hex')}`
  const host = '10.99.0.1'
  await machine.run('ip', ['netns', 'add', name])
  machine.onEnd(async () => {
    // What still runs in here was started in here, by this suite.
    const left = (await machine.run('ip', ['netns', 'pids', name])).text.split('\n').filter((pid) => pid !== '')
    if (left.length > 0) await machine.run('kill', ['-KILL', ...left], { codes: [0, 1] })
    await machine.run('ip', ['netns', 'del', name])
  })
  await machine.run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  await machine.run('ip', ['-n', name, 'address', 'add', `${host}/32`, 'dev', 'lo'])
  return { host, prefix: ['nsenter', `--net=/run/netns/${name}`, '--'] }
}
