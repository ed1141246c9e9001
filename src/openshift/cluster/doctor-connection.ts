// The first half of `tarn cluster doctor`: from the name to a certificate that a node would trust. It makes the handshakes
// that a node makes and looks at what comes back.
import { lookup } from 'node:dns/promises'
import { isIP, connect as connectPlain } from 'node:net'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { connect, getCACertificates, rootCertificates } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { hostsOf } from '../../tls/describe.ts'
import { isSameTrust } from './ca-config-map.ts'
import type { Check } from './check.ts'
import { failed, passed, skipped, warned } from './check.ts'
import type { RegistryName } from './registry-name.ts'
import { caKeyOf } from './registry-name.ts'

export interface ConnectionOptions {
  readonly registry: RegistryName
  /** In the place of what DNS says. */
  readonly address?: string | undefined
  /** Certificates in PEM that nodes trust; without them those of the system count. */
  readonly trust?: string | undefined
  /** What the cluster's ConfigMap holds for this registry: '' for nothing; undefined where nobody knows the ConfigMap. */
  readonly clusterTrust?: string | undefined
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

export interface Connection {
  readonly checks: readonly Check[]
  /** Where it answered; undefined where nothing more can be tried. */
  readonly address: string | undefined
}

const TRUST = 'cluster trust'
const WITHIN_MS = 15_000
const DAY_MS = 86_400_000
const SOON_DAYS = 30

export async function checkConnection(options: ConnectionOptions): Promise<Connection> {
  const { registry, trust } = options
  const { host, port } = registry
  const checks: Check[] = []
  const address = await findAddress(options, checks)
  if (address === undefined) return { checks, address }
  const plain = await tryPlain(address, port)
  if (plain !== undefined) {
    checks.push(
      failed(
        'connection',
        `${address} port ${port}: ${plain}`,
        'is it started there, and does a firewall let nodes through?',
      ),
    )
    return { checks, address: undefined }
  }
  checks.push(passed('connection', `${address} port ${port} answers`))
  // Whatever it shows is looked at; whether it is right is told below.
  const shown = await shakeHands(options, address, undefined)
  if ('failure' in shown) {
    const isHttp = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/.test(shown.failure)
    checks.push(
      failed(
        'tls',
        isHttp ? 'it speaks plain HTTP' : shown.failure,
        isHttp ? 'clusters want TLS: tarn init makes a certificate' : 'see what the registry’s log says of it',
      ),
    )
    return { checks, address: undefined }
  }
  const [leaf] = shown.chain
  if (leaf === undefined) {
    checks.push(failed('tls', 'it shows no certificate', 'see http.tls in its configuration'))
    return { checks, address: undefined }
  }
  checks.push(checkName(leaf, host), checkDates(shown.chain, options.clock()))
  const isTrusted = await checkChain(options, address, trust, leaf)
  checks.push(isTrusted, await checkClusterTrust(options, address))
  // What the cluster has to be told is one thing; what stops every node that trusts the file is another.
  const isStopped = checks.some(({ name, state }) => state === 'failed' && name !== TRUST)
  return { checks, address: isStopped ? undefined : address }
}

async function findAddress(
  { registry: { host }, address }: ConnectionOptions,
  checks: Check[],
): Promise<string | undefined> {
  if (address !== undefined || isIP(host) !== 0) {
    checks.push(
      passed(
        'name',
        address === undefined ? `${host} is an address` : `${address} in the place of what DNS says of ${host}`,
      ),
    )
    return address ?? host
  }
  try {
    const found = await lookup(host, { all: true })
    checks.push(passed('name', `${host} is ${found.map((each) => each.address).join(', ')}`))
    return found[0]?.address
  } catch (error) {
    const { code = 'no answer' } = error as NodeJS.ErrnoException
    checks.push(
      failed(
        'name',
        `${host} has no address here: ${code}`,
        'put it into DNS, or into /etc/hosts; a node must find it too (--address IP tries one)',
      ),
    )
    return undefined
  }
}

function tryPlain(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectPlain({ host, port, timeout: WITHIN_MS })
    const end = (what: string | undefined): void => {
      socket.destroy()
      resolve(what)
    }
    socket.once('connect', () => end(undefined))
    socket.once('timeout', () => end('no answer'))
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  })
}

type Handshake =
  | { readonly chain: readonly X509Certificate[]; readonly distrust: string | undefined }
  | { readonly failure: string }

/** A handshake as a node's, with the authorities `ca` alone; `distrust` is what it says against the certificate. */
function shakeHands(
  { registry: { host, port } }: ConnectionOptions,
  address: string,
  ca: readonly string[] | undefined,
): Promise<Handshake> {
  return new Promise((resolve) => {
    const socket = connect({
      host: address,
      port,
      // What is wrong is told in words of ours. Nothing is sent over this connection.
      rejectUnauthorized: false,
      ...(isIP(host) === 0 && { servername: host }),
      ...(ca !== undefined && { ca: [...ca] }),
    })
    socket.setTimeout(WITHIN_MS, () => socket.destroy(new Error('no answer')))
    socket.once('secureConnect', () => {
      const { authorizationError } = socket as TLSSocket & { authorizationError?: Error | string }
      const chain = readChain(socket)
      socket.destroy()
      const code =
        authorizationError instanceof Error
          ? ((authorizationError as NodeJS.ErrnoException).code ?? authorizationError.message)
          : authorizationError
      // Its name is another question.
      resolve({
        chain,
        distrust: code === undefined || code === null || code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? undefined : code,
      })
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve({ failure: error.code ?? error.message }))
  })
}

function readChain(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = []
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (next?.raw !== undefined && chain.length < 10) {
    const certificate = new X509Certificate(next.raw)
    if (chain.some(({ fingerprint256 }) => fingerprint256 === certificate.fingerprint256)) break
    chain.push(certificate)
    next = next.issuerCertificate
  }
  return chain
}

function checkName(leaf: X509Certificate, host: string): Check {
  const names = hostsOf(leaf)
  const renew = `make one with it: tarn cert renew --host ${host}`
  if (names.length === 0)
    return failed('certificate name', 'it has no subjectAltName: clients look at no other name', renew)
  const fits = isIP(host) === 0 ? leaf.checkHost(host, { subject: 'never' }) : leaf.checkIP(host)
  if (fits === undefined) return failed('certificate name', `it stands for ${names.join(', ')}, not for ${host}`, renew)
  return passed('certificate name', `it stands for ${host}`)
}

function checkDates(chain: readonly X509Certificate[], now: number): Check {
  const renew = 'renew it: tarn cert renew; or where it was made'
  for (const certificate of chain) {
    const name = certificate.subject.replaceAll('\n', ', ') || 'a certificate of the chain'
    if (certificate.validToDate.getTime() < now)
      return failed('certificate dates', `${name} ran out on ${day(certificate.validToDate)}`, renew)
    if (certificate.validFromDate.getTime() > now) {
      return failed(
        'certificate dates',
        `${name} is good from ${day(certificate.validFromDate)} on only`,
        'see whether the clocks of both machines are right',
      )
    }
  }
  const end = Math.min(...chain.map(({ validToDate }) => validToDate.getTime()))
  const days = Math.floor((end - now) / DAY_MS)
  if (days < SOON_DAYS) return warned('certificate dates', `it runs out in ${days} days`, renew)
  return passed('certificate dates', `good until ${day(new Date(end))}, ${days} days`)
}

async function checkChain(
  options: ConnectionOptions,
  address: string,
  trust: string | undefined,
  leaf: X509Certificate,
): Promise<Check> {
  const name = 'certificate chain'
  const shaken = await shakeHands(options, address, trust === undefined ? systemAuthorities() : [trust])
  const distrust = 'failure' in shaken ? shaken.failure : shaken.distrust
  const by = trust === undefined ? 'the authorities of this system' : 'the certificate on file'
  // Its dates were told already.
  if (distrust === undefined || distrust === 'CERT_HAS_EXPIRED' || distrust === 'CERT_NOT_YET_VALID')
    return passed(name, `it leads to ${by}`)
  const hint =
    trust === undefined
      ? 'name the certificate that nodes have for it: --ca FILE'
      : distrust === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' || distrust === 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'
        ? `it was issued by ${leaf.issuer.replaceAll('\n', ', ')}: hand out that authority’s certificate, or put those in between into the server’s file`
        : 'hand out the certificate of the authority that signed it: tarn cluster ca, tarn cluster nodes'
  return failed(name, `it does not lead to ${by}: ${distrust}`, hint)
}

async function checkClusterTrust(options: ConnectionOptions, address: string): Promise<Check> {
  const name = TRUST
  const { clusterTrust, trust, registry } = options
  if (clusterTrust === undefined)
    return skipped(name, 'the cluster’s certificates were not given (--existing FILE, --from-cluster)')
  const cure = 'give it this one: tarn cluster ca --from-cluster, or tarn cluster repair'
  if (clusterTrust === '') return failed(name, `the cluster’s ConfigMap has no key ${caKeyOf(registry)}`, cure)
  const shaken = await shakeHands(options, address, [clusterTrust]).catch((error: unknown) => ({
    failure: (error as Error).message,
  }))
  const distrust = 'failure' in shaken ? shaken.failure : shaken.distrust
  if (distrust !== undefined && !distrust.startsWith('CERT_'))
    return failed(name, `the cluster trusts another certificate: ${distrust}`, cure)
  if (trust !== undefined && !isSameTrust(clusterTrust, trust))
    return passed(name, 'the cluster trusts it, by another certificate than the one on file')
  return passed(name, 'the cluster has the certificate on file')
}

/** Those that a host trusts without being told; Node’s own besides. */
export function systemAuthorities(): string[] {
  return [...getCACertificates('system'), ...rootCertificates]
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}
