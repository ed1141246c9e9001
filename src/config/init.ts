// Makes a home: auth/, certs/, data/ and config.yml. Whatever is there is kept, never overwritten, so that running it
// again only adds what is missing. config.yml comes last: where it is, the home is whole.
import { access, mkdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { setUser } from '../auth/htpasswd.ts'
import { hashPassword, parseUserName } from '../auth/password.ts'
import { makeAuthority, makeServerCertificate } from '../tls/certificate.ts'
import { parseHost } from '../tls/host-name.ts'
import { Problem } from './problem.ts'
import { createFile } from './write-file.ts'

export interface HomeOptions {
  readonly directory: string
  readonly configFile: string
  readonly dataDirectory: string
  readonly authDirectory: string
  readonly certsDirectory: string
  /** DNS names and addresses under which clients reach the registry; the loopback names are added. */
  readonly hosts: readonly string[]
  /** The first user; used only when there is no htpasswd. */
  readonly user: string
  readonly password: string
  /** Called at once when the user was made with that password, before anything else can fail. */
  readonly onUser?: () => void
  readonly port: number
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly random: (size: number) => Uint8Array
}

/** The files of a home's certificates, by the directory that holds them. */
export function certificateFiles(
  certsDirectory: string,
): Record<'caCertificate' | 'caKey' | 'certificate' | 'key', string> {
  return {
    caCertificate: join(certsDirectory, 'ca.crt'),
    caKey: join(certsDirectory, 'ca.key'),
    certificate: join(certsDirectory, 'server.crt'),
    key: join(certsDirectory, 'server.key'),
  }
}

/** `hosts`, each once, and the names by which the machine calls itself. Throws a Problem for what is no host. */
export function withLoopback(hosts: readonly string[]): string[] {
  const all = [...hosts, 'localhost', '127.0.0.1', '::1'].map((text) => {
    const host = parseHost(text)
    return host.kind === 'dns' ? host.name : host.address
  })
  return [...new Set(all)]
}

/**
 * Makes what is missing of a home and gives the absolute paths of what it made. Throws a Problem for a user, password
 * or host that cannot be, before anything is made, and for a certificate whose key is gone.
 */
export async function makeHome(options: HomeOptions): Promise<{ created: string[] }> {
  const user = parseUserName(options.user)
  const hosts = withLoopback(options.hosts)
  const htpasswd = resolve(options.authDirectory, 'htpasswd')
  const hash = (await isThere(htpasswd)) ? undefined : await hashPassword(options.password)
  const created: string[] = []
  const make = async (path: string, text: string, mode: number): Promise<void> => {
    if (await createFile(path, text, mode)) created.push(path)
  }

  const { directory, authDirectory, certsDirectory, dataDirectory, configFile } = options
  for (const path of [directory, authDirectory, certsDirectory, dataDirectory, dirname(configFile)]) {
    await makeDirectory(resolve(path), created)
  }
  if (hash !== undefined) await make(htpasswd, setUser('', user, hash), 0o600)
  if (created.includes(htpasswd)) options.onUser?.()
  await makeCertificates({ ...options, hosts, make })
  await make(resolve(configFile), writeConfig(options), 0o644)
  return { created }
}

interface CertificateOptions extends Pick<HomeOptions, 'certsDirectory' | 'hosts' | 'clock' | 'random'> {
  readonly make: (path: string, text: string, mode: number) => Promise<void>
}

async function makeCertificates({ certsDirectory, hosts, clock, random, make }: CertificateOptions): Promise<void> {
  const files = certificateFiles(resolve(certsDirectory))
  const [serverCertificate, serverKey] = [await readText(files.certificate), await readText(files.key)]
  if (serverCertificate !== undefined) {
    if (serverKey === undefined) throw keyIsGone(files.certificate, files.key)
    return
  }
  let certificate = await readText(files.caCertificate)
  let key = await readText(files.caKey)
  if (certificate !== undefined && key === undefined) throw keyIsGone(files.caCertificate, files.caKey)
  if (certificate === undefined || key === undefined) {
    // The hosts in the name tell one home's authority from another's in a client's list.
    const name = `Tarn CA ${hosts[0] ?? ''}`.slice(0, 64).trim()
    const made = makeAuthority({ name, clock, random, ...(key === undefined ? {} : { key }) })
    certificate = made.certificate
    key = made.key
    // Key first: a key without its certificate is used at the next run, the other way round all would be lost.
    await make(files.caKey, key, 0o600)
    await make(files.caCertificate, certificate, 0o644)
  }
  const server = makeServerCertificate({
    ca: { certificate, key },
    hosts,
    clock,
    random,
    ...(serverKey === undefined ? {} : { key: serverKey }),
  })
  await make(files.key, server.key, 0o600)
  await make(files.certificate, server.certificate, 0o644)
}

/** The text of config.yml: distribution's own keys and absolute paths, so that registry:2 starts from it too. */
function writeConfig(options: HomeOptions): string {
  const { certificate, key } = certificateFiles(resolve(options.certsDirectory))
  return stringify({
    version: 0.1,
    log: { level: 'info' },
    storage: {
      filesystem: { rootdirectory: resolve(options.dataDirectory) },
      delete: { enabled: true },
    },
    auth: { htpasswd: { realm: 'Tarn', path: resolve(options.authDirectory, 'htpasswd') } },
    http: {
      addr: `:${options.port}`,
      headers: { 'X-Content-Type-Options': ['nosniff'] },
      tls: { certificate, key },
    },
    // Last, so that whoever wants no mirror removes the end of the file.
    mirror: { upstreams: 'well-known' },
  })
}

async function makeDirectory(path: string, created: string[]): Promise<void> {
  if ((await mkdir(path, { recursive: true, mode: 0o755 })) !== undefined) created.push(path)
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function keyIsGone(certificate: string, key: string): Problem {
  return new Problem(`${certificate} is there but its key ${key} is not`, {
    hint: `restore ${key} from the backup, or move ${certificate} away to have a new pair made`,
  })
}
