// What a person must do with a registry's home: make clients trust it, keep a copy of what cannot be made again, and
// change by hand what `tarn init` kept. It says only what is true of the files that are there.
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseHtpasswd } from '../auth/htpasswd.ts'
import { parseListenAddress } from '../config/address.ts'
import { certificateFiles, withLoopback } from '../config/init.ts'
import { loadConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import type { Config } from '../config/schema.ts'
import { hostsOf } from '../tls/describe.ts'
import { parseHost } from '../tls/host-name.ts'

export interface TrustOptions {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly caCertificate: string
  /** The name for other machines, where `host` is one that only this machine may use. */
  readonly elsewhere?: string | undefined
}

/** Lines that make podman, docker, the whole system and curl trust the registry at `host`. */
export function describeTrust({ host, port, user, caCertificate, elsewhere }: TrustOptions): string[] {
  const name = nameOf(host, port)
  return [
    'Clients trust it with a copy of the CA certificate (as root, on each client):',
    `  podman, skopeo, buildah  install -D -m 644 ${caCertificate} /etc/containers/certs.d/${name}/ca.crt`,
    `  docker                   install -D -m 644 ${caCertificate} /etc/docker/certs.d/${name}/ca.crt`,
    `  system (Debian)          cp ${caCertificate} /usr/local/share/ca-certificates/tarn.crt && update-ca-certificates`,
    `  system (Red Hat)         cp ${caCertificate} /etc/pki/ca-trust/source/anchors/tarn.crt && update-ca-trust`,
    `  curl                     curl --cacert ${caCertificate} -u ${user} https://${name}/v2/_catalog`,
    ...(elsewhere === undefined ? [] : [`On other machines write ${nameOf(elsewhere, port)} for ${name}.`]),
  ]
}

function nameOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Lines that say what to back up. */
export function describeBackup(paths: { auth: string; certs: string; data: string; config: string }): string[] {
  return [
    'Back up (a cluster that trusts this registry knows its CA and its logins):',
    `  ${paths.auth}  ${paths.certs}  ${paths.config}   small, secret, cannot be made again`,
    `  ${paths.data}   the images, as any registry:2 reads them`,
  ]
}

/** What `tarn init` was asked for; undefined where nothing was said. */
export interface Wanted {
  readonly hosts: readonly string[]
  readonly user: string
  readonly hasPassword: boolean
  readonly port: number | undefined
  readonly data: string | undefined
}

/**
 * What of `wanted` a home that was there already does not do, with the command that does it, and what its clients need.
 * `data` is the data directory that counts; `trust` is absent where the home has no authority that they could trust.
 */
export function describeHome(
  configFile: string,
  wanted: Wanted,
): { notes: string[]; data?: string; trust?: TrustOptions } {
  let config: Config
  try {
    config = loadConfig({ path: configFile, env: {} }).config
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { notes: [`${configFile} was kept and cannot be used: ${error.message}`] }
  }
  const certificate = describeHosts(config, configFile, wanted)
  const login = describeUser(config, configFile, wanted)
  const port = config.http.net === 'tcp' ? parseListenAddress(config.http.addr)?.port : undefined
  const root = resolve(config.storage.filesystem.rootdirectory)
  const notes = [
    ...(wanted.port === undefined || wanted.port === port
      ? []
      : [`--port had no effect: ${configFile} was kept and says http.addr: ${config.http.addr}; change it there`]),
    ...(wanted.data === undefined || wanted.data === root
      ? []
      : [`--data had no effect: ${configFile} was kept and says rootdirectory: ${root}; change it there`]),
    ...certificate.notes,
    ...login.notes,
  ]
  const { host, caCertificate } = certificate
  if (host === undefined || caCertificate === undefined || port === undefined) return { notes, data: root }
  return { notes, data: root, trust: { host, port, user: login.user, caCertificate } }
}

/** The hosts that are asked for and not in the certificate; one that is, for the lines about trust. */
function describeHosts(
  { http }: Config,
  configFile: string,
  { hosts }: Wanted,
): { notes: string[]; host?: string | undefined; caCertificate?: string } {
  if (http.tls === undefined)
    return { notes: [`${configFile} was kept and names no certificate: it speaks plain HTTP`] }
  const path = http.tls.certificate
  let leaf: X509Certificate
  try {
    leaf = new X509Certificate(readFileSync(path))
  } catch {
    return { notes: [`${path} was kept and holds no certificate that can be read`] }
  }
  const [known, lacking] = [hostsOf(leaf), hosts.filter((host) => !standsFor(leaf, host))]
  const { caCertificate, caKey } = certificateFiles(dirname(path))
  const own = existsSync(caCertificate)
  const rest = { host: hosts.find((host) => !lacking.includes(host)) ?? known[0], ...(own ? { caCertificate } : {}) }
  if (lacking.length === 0) return { notes: [], ...rest }
  const loopback = new Set(withLoopback([]))
  const all = [...known.filter((host) => !loopback.has(host)), ...lacking].map((host) => `--host ${host}`).join(' ')
  const cure =
    own && existsSync(caKey)
      ? `add it with: tarn cert renew --config ${configFile} ${all}`
      : 'have it made anew where it was made'
  return { notes: [`${lacking.join(', ')} is not in ${path}, which was kept; ${cure}`], ...rest }
}

function standsFor(certificate: X509Certificate, host: string): boolean {
  const parsed = parseHost(host)
  if (parsed.kind === 'dns' && parsed.name.startsWith('*.')) return hostsOf(certificate).includes(parsed.name)
  const found = parsed.kind === 'ip' ? certificate.checkIP(parsed.address) : certificate.checkHost(parsed.name)
  return found !== undefined
}

/** The notes about a user who is not made, or whose password is not taken; a user who is there. */
function describeUser(
  { auth }: Config,
  configFile: string,
  { user, hasPassword }: Wanted,
): { notes: string[]; user: string } {
  const path = auth.htpasswd?.path
  if (path === undefined) return { notes: [`${configFile} was kept and has no login`], user }
  const { users } = parseHtpasswd(existsSync(path) ? readFileSync(path, 'utf8') : '')
  const add = `tarn user add ${user} --config ${configFile}`
  if (!users.has(user)) {
    const [other = user] = users.keys()
    return { notes: [`there is no user ${user} in ${path}, which was kept; add one with: ${add}`], user: other }
  }
  return { notes: hasPassword ? [`${path} was kept; change the password with: ${add}`] : [], user }
}
