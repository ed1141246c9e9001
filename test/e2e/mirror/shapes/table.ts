// How the well-known registries answer: where their tokens come from, where their blobs lie, what they count.

export interface Shape {
  /** As image names spell it. */
  readonly host: string
  /** What is shown by it. */
  readonly what: string
  /** As people write it, without host and tag, and as the registry spells it. */
  readonly image: string
  readonly repository: string
  /** Host that answers /v2/. */
  readonly registry: string
  readonly auth?: {
    readonly realm: string
    readonly service: string
    /** What the challenge says in place of the repository's own scope. */
    readonly scope?: string
    /** Members of the answer that hold the token. */
    readonly members: readonly string[]
    /** Nothing without this login. */
    readonly login?: { readonly username: string; readonly password: string }
  }
  /** Another registry that manifests and blobs are redirected to, with this before the repository's name. */
  readonly elsewhere?: { readonly host: string; readonly prefix: string }
  readonly blobs: { readonly host: string; readonly status: 302 | 307 }
  readonly headers?: Readonly<Record<string, string>>
}

const PASSWORD = 'shape-canary-password'

export const SHAPES: readonly Shape[] = [
  {
    host: 'docker.io',
    what: 'library/, realm on another host, rate headers, 307 to a store on a third',
    image: 'alpine',
    repository: 'library/alpine',
    registry: 'registry-1.docker.io',
    auth: {
      realm: 'https://auth.docker.io/token',
      service: 'registry.docker.io',
      members: ['token', 'access_token'],
    },
    blobs: { host: 'production.cloudflare.docker.com', status: 307 },
    headers: {
      'ratelimit-limit': '100;w=21600',
      'ratelimit-remaining': '76;w=21600',
      'docker-ratelimit-source': '192.0.2.1',
    },
  },
  {
    host: 'quay.io',
    what: 'realm on its own host, 302 to a CDN',
    image: 'team/app',
    repository: 'team/app',
    registry: 'quay.io',
    auth: { realm: 'https://quay.io/v2/auth', service: 'quay.io', members: ['token'] },
    blobs: { host: 'cdn01.quay.io', status: 302 },
  },
  {
    host: 'ghcr.io',
    what: 'anonymous token, 307 to another owner’s domain',
    image: 'org/tool',
    repository: 'org/tool',
    registry: 'ghcr.io',
    auth: { realm: 'https://ghcr.io/token', service: 'ghcr.io', members: ['token'] },
    blobs: { host: 'pkg-containers.githubusercontent.com', status: 307 },
  },
  {
    host: 'gcr.io',
    what: 'realm below /v2, 302 to a store of the owner',
    image: 'project/image',
    repository: 'project/image',
    registry: 'gcr.io',
    auth: { realm: 'https://gcr.io/v2/token', service: 'gcr.io', members: ['token', 'access_token'] },
    blobs: { host: 'storage.googleapis.com', status: 302 },
  },
  {
    host: 'registry.k8s.io',
    what: 'everything redirected to another registry, blobs from there once more',
    image: 'pause',
    repository: 'pause',
    registry: 'registry.k8s.io',
    elsewhere: { host: 'us-west2-docker.pkg.dev', prefix: 'k8s-artifacts-prod/images/' },
    blobs: { host: 'prod-registry-k8s-io-us-west-2.s3.dualstack.us-west-2.amazonaws.com', status: 302 },
  },
  {
    host: 'mcr.microsoft.com',
    what: 'no login at all, 307 to a regional host',
    image: 'dotnet/runtime',
    repository: 'dotnet/runtime',
    registry: 'mcr.microsoft.com',
    blobs: { host: 'eastus.data.mcr.microsoft.com', status: 307 },
  },
  {
    host: 'registry.redhat.io',
    what: 'a login, and its realm at another owner’s host that is listed in origins',
    image: 'ubi9/ubi',
    repository: 'ubi9/ubi',
    registry: 'registry.redhat.io',
    auth: {
      realm: 'https://sso.redhat.com/auth/realms/rhcc/protocol/redhat-docker-v2/auth',
      service: 'docker-registry',
      members: ['access_token'],
      login: { username: '11009103|robot', password: PASSWORD },
    },
    blobs: { host: 'cdn.registry.redhat.io', status: 302 },
  },
  {
    host: 'public.ecr.aws',
    what: 'a scope that is no repository, 307 to a CDN',
    image: 'lambda/nodejs',
    repository: 'lambda/nodejs',
    registry: 'public.ecr.aws',
    auth: { realm: 'https://public.ecr.aws/token/', service: 'public.ecr.aws', scope: 'aws', members: ['token'] },
    blobs: { host: 'd5l0dvt14r5h8.cloudfront.net', status: 307 },
  },
  {
    host: 'registry.gitlab.com',
    what: 'realm at the parent domain, 307 to a CDN',
    image: 'group/project/app',
    repository: 'group/project/app',
    registry: 'registry.gitlab.com',
    auth: { realm: 'https://gitlab.com/jwt/auth', service: 'container_registry', members: ['token'] },
    blobs: { host: 'cdn.registry.gitlab-static.net', status: 307 },
  },
]

/** All names that lead to the fakes. */
export function hostsOf({ registry, auth, elsewhere, blobs }: Shape): string[] {
  const all = [registry, blobs.host, auth && new URL(auth.realm).host, elsewhere?.host]
  return [...new Set(all.filter((each) => each !== undefined))]
}
