// The names and addresses that a server certificate stands for.
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { Problem } from '../config/problem.ts'

export type Host = { readonly kind: 'dns'; readonly name: string } | { readonly kind: 'ip'; readonly address: string }

const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?'
const DNS_NAME = new RegExp(`^(?:\\*\\.)?${LABEL}(?:\\.${LABEL})*$`)

/** Takes a DNS name (also `*.example.com`, also with umlauts) or an IPv4 or IPv6 address; throws a Problem. */
export function parseHost(text: string): Host {
  const plain = text.replace(/^\[(.*)\]$/, '$1')
  if (isIP(plain) !== 0 && !plain.includes('%')) return { kind: 'ip', address: plain }
  // domainToASCII is the URL parser: it would quietly drop a port, a path or a line break.
  const name = /[\s:/?#@\\%[\]]/.test(text) ? '' : domainToASCII(text.replace(/\.$/, '')).toLowerCase()
  // An all-numeric last label would be taken for a broken IPv4 address by clients.
  if (name.length <= 253 && DNS_NAME.test(name) && !/(?:^|\.)\d+$/.test(name)) return { kind: 'dns', name }
  throw new Problem(`not a host name or an IP address: ${text}`, {
    hint: 'give the name alone, without https:// and without a port, as in --host registry.example.com',
    exitCode: 2,
  })
}

/** The 4 or 16 bytes of an address that `isIP` accepts. */
export function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // The URL parser turns every spelling, an embedded IPv4 address too, into hexadecimal groups.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  const groups = [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16))
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]))
}
