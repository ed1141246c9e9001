// What dockerd on a node needs: daemon.json, the certificate, and a login for names with this registry in front. dockerd
// mirrors Docker Hub only. Pure.
import { Problem } from '../../config/problem.ts'
import type { HandoutFile } from './handout.ts'
import type { NodeOptions } from './node-options.ts'
import { authFileOf } from './node-options.ts'
import { isObject } from './objects.ts'

/** Files below `docker/`. */
export function makeDockerFiles(options: NodeOptions): HandoutFile[] {
  const { registry, trust } = options
  const auth = authFileOf(options)
  const certificate = `certs.d/${registry.name}/ca.crt`
  return [
    {
      path: 'docker/daemon.json',
      text: makeDaemonJson(options),
      place: '/etc/docker/daemon.json',
      shared: true,
      over: options.daemonJson,
    },
    ...(trust === undefined
      ? []
      : [{ path: `docker/${certificate}`, text: trust, place: `/etc/docker/${certificate}` }]),
    ...(auth === undefined
      ? []
      : [{ path: 'docker/config.json', text: auth, secret: true, shared: true, place: '/root/.docker/config.json' }]),
  ]
}

/** The daemon.json of the node with this registry as its first mirror; all other keys stay. Throws a Problem. */
export function makeDaemonJson({ registry, daemonJson }: NodeOptions): string {
  const existing = daemonJson === undefined || daemonJson.trim() === '' ? {} : parse(daemonJson)
  const url = `https://${registry.name}`
  const mirrors = existing['registry-mirrors']
  const others = Array.isArray(mirrors) ? mirrors.filter((each) => String(each).replace(/\/$/, '') !== url) : []
  return `${JSON.stringify({ ...existing, 'registry-mirrors': [url, ...others] }, null, 2)}\n`
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return value
  } catch {
    // The message of JSON.parse quotes what it read.
  }
  throw new Problem('the daemon.json is no JSON object', { hint: 'dockerd would not start with it either' })
}
