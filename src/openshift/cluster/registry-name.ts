// This registry as clusters and nodes name it, and the spellings that single files want. Pure.
import { Problem } from '../../config/problem.ts'
import { readRegistryHost } from '../../config/registry-host.ts'

export interface RegistryName {
  /** `host` or `host:port`, in lower case: what stands in front of image names. */
  readonly name: string
  /** Without brackets. */
  readonly host: string
  /** 443 where the name has none. */
  readonly port: number
}

/** Reads `HOST` or `HOST:PORT`. Throws a Problem. */
export function parseRegistryName(text: string): RegistryName {
  const name = readRegistryHost(text)
  // A single word in front of an image is a part of its path, for every client.
  if (name === undefined || !/[.:]|^localhost$/.test(name)) {
    throw new Problem(`not the name of a registry: ${text}`, {
      hint: 'give HOST:PORT as image names have it, without https:// and without a path',
      exitCode: 2,
    })
  }
  const [, host = '', port] = /^(.*?)(?::(\d+))?$/.exec(name) ?? []
  return { name, host: host.replace(/^\[(.*)\]$/, '$1'), port: port === undefined ? 443 : Number(port) }
}

/**
 * Its key in the ConfigMap of certificates: a colon is no part of such keys, so that `..` stands before the port. Throws a
 * Problem for an IPv6 address, which such a key cannot hold.
 */
export function caKeyOf({ name }: RegistryName): string {
  const key = name.replace(/:(\d+)$/, '..$1')
  if (/^[-._a-z0-9]+$/.test(key)) return key
  throw new Problem(`${name} cannot be a key of a ConfigMap`, { hint: 'give the registry a name in DNS' })
}
