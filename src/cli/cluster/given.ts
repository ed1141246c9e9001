// What the commands of `tarn cluster` are given: the registry's name, its certificate, a login, the mirrored names; each from
// an option, else from the home where there is one.
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { parseHtpasswd } from '../../auth/htpasswd.ts'
import { isPassword, matchesHash } from '../../auth/password.ts'
import { parseListenAddress } from '../../config/address.ts'
import { certificateFiles, withLoopback } from '../../config/init.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { COMMAND_PLACES } from '../../config/load.ts'
import { settleMirror } from '../../config/mirror.ts'
import { describeUnreadable, Problem } from '../../config/problem.ts'
import type { Found } from '../../openshift/cluster/find-mirrored.ts'
import { findMirrored } from '../../openshift/cluster/find-mirrored.ts'
import type { MirrorPair, Scope } from '../../openshift/cluster/mirror-pairs.ts'
import { mergePairs, pairUp, parseSourceOption } from '../../openshift/cluster/mirror-pairs.ts'
import { nameReleases } from '../../openshift/cluster/name-releases.ts'
import type { Login } from '../../openshift/cluster/pull-secret.ts'
import type { RegistryName } from '../../openshift/cluster/registry-name.ts'
import { parseRegistryName } from '../../openshift/cluster/registry-name.ts'
import { readTrust } from '../../openshift/cluster/trust.ts'
import type { Layout } from '../../storage/layout.ts'
import { hostsOf, splitPem } from '../../tls/describe.ts'
import type { CommandContext } from '../context.ts'
import { outputOf } from '../context.ts'
import { findDataDirectory } from '../data-directory.ts'
import { readHome } from '../home.ts'
import { readPassword } from '../password-input.ts'

export interface GivenOptions {
  readonly config?: string
  readonly ca?: string
  readonly user?: string
  readonly passwordStdin?: true
  readonly passwordFile?: string
  readonly source?: readonly string[]
  readonly derive?: boolean
  readonly scope?: Scope
}

export class Given {
  readonly #options: GivenOptions
  readonly #command: Command
  readonly #context: CommandContext
  #home: { readonly loaded: LoadedConfig | undefined } | undefined
  #found: Found | undefined

  constructor(options: GivenOptions, command: Command, context: CommandContext) {
    this.#options = options
    this.#command = command
    this.#context = context
  }

  /** The home's configuration; undefined where there is no file of one. */
  get home(): LoadedConfig | undefined {
    if (this.#home === undefined) {
      const isHere = this.#options.config !== undefined || hasFileNear()
      this.#home = { loaded: isHere ? readHome(this.#options, this.#command, this.#context) : undefined }
    }
    return this.#home.loaded
  }

  /** The data directory. Throws a Problem where there is no home. */
  get layout(): Layout {
    const { home } = this
    if (home !== undefined) return findDataDirectory(home)
    throw new Problem('there is no registry’s configuration here', { hint: 'name it: --config FILE', exitCode: 2 })
  }

  /** The registry of the argument, else of the home's certificate and port. */
  registry(argument: string | undefined): RegistryName {
    if (argument !== undefined) return parseRegistryName(argument)
    const { home } = this
    const loopback = new Set(withLoopback([]))
    const leaf = home && this.#leaf(home)
    const host = leaf && hostsOf(leaf).find((each) => !loopback.has(each) && !each.startsWith('*.'))
    const port = home?.config.http.net === 'tcp' ? parseListenAddress(home.config.http.addr)?.port : undefined
    if (host === undefined || port === undefined) {
      throw new Problem('it is not known under which name clients reach the registry', {
        hint: 'give it: HOST:PORT, as image names begin',
        exitCode: 2,
      })
    }
    return parseRegistryName(port === 443 ? host : `${host}:${port}`)
  }

  /** Certificates in PEM that clients must trust; undefined for a home that speaks plain HTTP. */
  trust(): string | undefined {
    const { ca } = this.#options
    if (ca !== undefined) return readTrust(readFileOf('certificate', ca), ca)
    const { home } = this
    if (home === undefined) {
      throw new Problem('the certificate that clients must trust is missing', {
        hint: 'name it: --ca FILE, or the registry’s configuration: --config FILE',
        exitCode: 2,
      })
    }
    const { tls } = home.config.http
    if (tls === undefined) {
      this.#note(
        'this registry speaks plain HTTP, which clusters and most clients refuse: tarn init makes a certificate',
      )
      return undefined
    }
    const { caCertificate } = certificateFiles(dirname(tls.certificate))
    if (existsSync(caCertificate)) return readTrust(readFileOf('CA certificate', caCertificate), caCertificate)
    // One from elsewhere: the last of the chain is what leads to an authority.
    const chain = splitPem(readFileOf('certificate', tls.certificate))
    this.#note(
      `${tls.certificate} has no ca.crt beside it: the last certificate in it is handed out; --ca FILE names another`,
    )
    return readTrust(chain.at(-1) ?? '', tls.certificate)
  }

  /** A login for the registry; undefined when none is asked for. Throws a Problem for half a one, and for a wrong password. */
  async login(registry: RegistryName): Promise<Login | undefined> {
    const { user, passwordStdin, passwordFile } = this.#options
    if (user === undefined) {
      if (passwordStdin === undefined && passwordFile === undefined) return undefined
      throw new Problem('a password was given without a user', { hint: 'say whose it is: --user NAME', exitCode: 2 })
    }
    if (passwordStdin === undefined && passwordFile === undefined) {
      throw new Problem(`the password of ${user} is missing`, { hint: this.#passwordHint(), exitCode: 2 })
    }
    const password =
      passwordFile === undefined
        ? await readPassword(this.#context)
        : (readFileOf('password file', passwordFile).split('\n', 1)[0] ?? '').replace(/\r$/, '')
    if (!isPassword(password)) throw new Problem('this cannot be a password', { hint: '1 to 72 bytes', exitCode: 2 })
    await this.#checkLogin(registry, { user, password })
    return { user, password }
  }

  /** What lies here under which name, by --source and by the data directory; nothing is an empty list. */
  async pairs(registry: RegistryName, scope: Scope): Promise<MirrorPair[]> {
    const { source = [], derive = true, scope: wanted = scope } = this.#options
    const said = source.map((text) => parseSourceOption(text, registry))
    if (!derive) return mergePairs(said)
    const found = await this.found()
    const derived = found === undefined ? [] : pairUp(found.repositories, registry, wanted)
    return mergePairs([...said, ...derived.filter((pair) => said.every((each) => each.source !== pair.source))])
  }

  /** What the data directory holds; undefined without a home. */
  async found(): Promise<Found | undefined> {
    const { home } = this
    if (home === undefined) return undefined
    const settled = settleMirror(home.config, { directory: dirname(resolve(home.path ?? '.')) })
    return (this.#found ??= await nameReleases(this.layout, findMirrored(this.layout, settled?.upstreams ?? [])))
  }

  /** Throws a Problem for no pairs. */
  requirePairs(pairs: readonly MirrorPair[]): void {
    if (pairs.length > 0) return
    throw new Problem('nothing is known to lie here under a name of the outside world', {
      hint: 'say it: --source quay.io/openshift-release-dev/ocp-release=ocp4/openshift4',
      exitCode: 2,
    })
  }

  /** Whether the home is the one of this registry, as its certificate says. */
  isOwn(registry: RegistryName): boolean {
    const { home } = this
    const leaf = home && this.#leaf(home)
    if (leaf === undefined) return false
    const { host } = registry
    return (isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host)) !== undefined
  }

  #leaf({ config }: LoadedConfig): X509Certificate | undefined {
    const { tls } = config.http
    try {
      return tls && new X509Certificate(readFileSync(tls.certificate))
    } catch {
      return undefined
    }
  }

  async #checkLogin(registry: RegistryName, { user, password }: Login): Promise<void> {
    const path = this.home?.config.auth.htpasswd?.path
    if (path === undefined || !existsSync(path) || !this.isOwn(registry)) return
    const hash = parseHtpasswd(readFileOf('htpasswd file', path)).users.get(user)
    if (hash !== undefined && (await matchesHash(password, hash))) return
    throw new Problem(`${path} does not let ${user} in with this password`, {
      hint: `give the user this password: tarn user add ${user} --password-stdin; nothing was handed out`,
    })
  }

  #passwordHint(): string {
    const path = this.home?.config.auth.htpasswd?.path
    const initial = path && join(dirname(path), 'initial-password')
    return `give it with --password-stdin or --password-file ${initial && existsSync(initial) ? initial : 'FILE'}`
  }

  #note(text: string): void {
    outputOf(this.#command, this.#context).note(`note: ${text}`)
  }
}

/** Reads a file that a person named. Throws a Problem. */
export function readFileOf(what: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw describeUnreadable(what, path, error)
  }
}

// What the machine has elsewhere is another registry's: nothing of it may get into a cluster unasked.
function hasFileNear(): boolean {
  return COMMAND_PLACES.some((path) => existsSync(path)) || (process.env['REGISTRY_CONFIGURATION_PATH'] ?? '') !== ''
}
