// Where on the internet an address lies. Addresses are compared as bytes, never as text: one address has many
// spellings. What is not known to be public is not public.
import { isIP } from 'node:net'
import { addressBytes } from '../tls/host-name.ts'

/**
 * - private: an organisation's own; loopback: this machine; linkLocal: this wire, cloud metadata too;
 * - translated: holds another address inside (v4-mapped, NAT64, 6to4, Teredo);
 * - never: no unicast host that a registry could be, and metadata services outside the link-local range.
 */
export type Place = 'public' | 'private' | 'loopback' | 'linkLocal' | 'translated' | 'never'

// IANA's special-purpose registries. The first match counts, so exceptions stand above their range.
const PLACES: readonly (readonly [prefix: string, bits: number, place: Place])[] = [
  ['0.0.0.0', 8, 'never'],
  ['10.0.0.0', 8, 'private'],
  // Metadata services of Alibaba and Azure.
  ['100.100.100.200', 32, 'never'],
  ['168.63.129.16', 32, 'never'],
  ['100.64.0.0', 10, 'private'],
  ['127.0.0.0', 8, 'loopback'],
  ['169.254.0.0', 16, 'linkLocal'],
  ['172.16.0.0', 12, 'private'],
  ['192.0.0.0', 24, 'never'],
  ['192.0.2.0', 24, 'never'],
  ['192.88.99.0', 24, 'never'],
  ['192.168.0.0', 16, 'private'],
  // For benchmarks by the book; in practice what local proxies with made-up addresses answer for every name.
  ['198.18.0.0', 15, 'private'],
  ['198.51.100.0', 24, 'never'],
  ['203.0.113.0', 24, 'never'],
  ['224.0.0.0', 3, 'never'],
  ['0.0.0.0', 0, 'public'],
  ['::', 128, 'never'],
  ['::1', 128, 'loopback'],
  ['::', 96, 'translated'],
  ['::ffff:0:0', 96, 'translated'],
  ['::ffff:0:0:0', 96, 'translated'],
  ['64:ff9b::', 96, 'translated'],
  ['64:ff9b:1::', 48, 'translated'],
  ['2001::', 32, 'translated'],
  ['2002::', 16, 'translated'],
  ['2001:db8::', 32, 'never'],
  ['3fff::', 20, 'never'],
  ['fd00:ec2::254', 128, 'never'],
  ['fc00::', 7, 'private'],
  ['fe80::', 10, 'linkLocal'],
  ['2000::', 3, 'public'],
  ['::', 0, 'never'],
]

const RANGES = PLACES.map(([prefix, bits, place]) => ({ prefix: addressBytes(prefix), bits, place }))
const NAT64 = addressBytes('64:ff9b::')

/** The place of an IPv4 or IPv6 address in any spelling that `isIP` takes; 'never' for what is no address. */
export function placeOf(address: string): Place {
  const bytes = readAddress(address)
  if (bytes === undefined) return 'never'
  return RANGES.find(({ prefix, bits }) => isWithin(bytes, prefix, bits))?.place ?? 'never'
}

/** The IPv4 address inside an address of the well-known NAT64 prefix (RFC 6052), which DNS64 makes; else undefined. */
export function unwrapNat64(address: string): string | undefined {
  const bytes = readAddress(address)
  return bytes !== undefined && isWithin(bytes, NAT64, 96) ? bytes.subarray(12).join('.') : undefined
}

function readAddress(address: string): Buffer | undefined {
  // An IPv6 address may name an interface after "%".
  const [plain = ''] = address.split('%')
  return isIP(plain) === 0 ? undefined : addressBytes(plain)
}

function isWithin(bytes: Buffer, prefix: Buffer, bits: number): boolean {
  if (bytes.length !== prefix.length) return false
  const whole = bits >> 3
  if (bytes.compare(prefix, 0, whole, 0, whole) !== 0) return false
  const rest = bits & 7
  return rest === 0 || ((bytes[whole] ?? 0) ^ (prefix[whole] ?? 0)) >> (8 - rest) === 0
}
