// Registries that are asked whether they have what was lost: by the upstreams of the home, with the logins that the cluster
// has for them.
import { resolve } from 'node:path'
import type { LoadedConfig } from '../../config/load.ts'
import type { SyncRegistry } from '../../config/sync-file.ts'
import type { AskRegistry } from '../../openshift/cluster/restore-from-registry.ts'
import type { PullSecret } from '../../openshift/cluster/pull-secret.ts'
import { loginOf } from '../../openshift/cluster/pull-secret.ts'
import { settleMirror } from '../../config/mirror.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import type { CommandContext } from '../context.ts'
import { directoryOf, openOwnOutward } from '../outward.ts'

export interface RegistryOptions {
  readonly authfile?: string
  readonly insecure?: readonly string[]
  readonly plainHttp?: readonly string[]
}

export interface AskedRegistries {
  readonly ask: AskRegistry
  close(): Promise<void>
}

/** Opens no connection yet. */
export function openRegistries(
  home: LoadedConfig,
  { authfile, insecure = [], plainHttp = [] }: RegistryOptions,
  secret: PullSecret | undefined,
  context: CommandContext,
): AskedRegistries {
  const outward = openOwnOutward(home, context)
  const configured = settleMirror(home.config, { directory: directoryOf(home) ?? '.' })?.upstreams ?? []
  const credentialsFor = (host: string): SyncRegistry['credentials'] => {
    if (authfile !== undefined) return { authFile: resolve(authfile) }
    if (configured.some((each) => each.host === host && Object.keys(each.credentials).length > 0)) return undefined
    const login = loginOf(secret?.auths[host] ?? {})
    return login && { username: login.user, password: login.password }
  }
  const said = (host: string): SyncRegistry => {
    const credentials = credentialsFor(host)
    return {
      ...(credentials && { credentials }),
      ...(insecure.includes(host) && { insecure: true }),
      ...(plainHttp.includes(host) && { insecure: true, url: [`http://${host}`] }),
    }
  }
  const opened = new Map<string, ReturnType<typeof outward.openUpstreams>>()
  return {
    async ask(host, repository, reference) {
      const forbidden = outward.forbidden()
      if (forbidden !== undefined) throw new UpstreamError('refused', `it was not asked: ${forbidden}`)
      const upstreams = opened.get(host) ?? outward.openUpstreams(new Map([[host, said(host)]]))
      opened.set(host, upstreams)
      try {
        await upstreams.find(host).client.headManifest(repository, reference)
        return true
      } catch (error) {
        // A registry that shows some of its repositories to nobody says so of those that it has not as well.
        if (error instanceof UpstreamError && (error.kind === 'notFound' || error.status === 403)) return false
        throw error
      }
    },
    close: async () => void (await Promise.all([...opened.values()].map((each) => each.close()))),
  }
}
