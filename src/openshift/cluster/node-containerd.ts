// What containerd on a node needs: one `_default/hosts.toml` for all registries (containerd's docs/hosts.md). It asks this
// registry for the path of the image and adds `?ns=` with the name of its registry, so that one file is enough. Pure.
import type { HandoutFile } from './handout.ts'
import type { NodeOptions } from './node-options.ts'

const DIRECTORY = '/etc/containerd/certs.d/_default'

/** Files below `containerd/`. */
export function makeContainerdFiles(options: NodeOptions): HandoutFile[] {
  const { trust, login } = options
  return [
    {
      path: 'containerd/certs.d/_default/hosts.toml',
      text: makeHostsToml(options),
      place: `${DIRECTORY}/hosts.toml`,
      shared: true,
      secret: login !== undefined,
    },
    ...(trust === undefined
      ? []
      : [{ path: 'containerd/certs.d/_default/tarn-ca.crt', text: trust, place: `${DIRECTORY}/tarn-ca.crt` }]),
  ]
}

/** The login stands in the file: containerd has none of its own for a mirror. */
export function makeHostsToml({ registry, trust, login, neverSource }: NodeOptions): string {
  const url = `https://${registry.name}`
  const authorization = login && `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`
  return [
    '# made by tarn cluster nodes',
    // Without a server of its own the registry in the image's name is asked after this one.
    ...(neverSource ? [`server = "${url}"`] : []),
    '',
    `[host."${url}"]`,
    '  capabilities = ["pull", "resolve"]',
    ...(trust === undefined ? [] : [`  ca = "${DIRECTORY}/tarn-ca.crt"`]),
    ...(authorization === undefined ? [] : [`  [host."${url}".header]`, `    authorization = ["${authorization}"]`]),
    '',
  ].join('\n')
}
