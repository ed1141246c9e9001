// The registries that `mirror.upstreams: well-known` stands for, and what one of them needs beside its name. An origin
// is listed only where a registry's token server does not lie below the registry's own domain.

export interface WellKnown {
  readonly host: string
  /** Where it answers, if not at https://host. */
  readonly url?: readonly string[]
  readonly origins?: readonly string[]
}

const HUB: WellKnown = { host: 'docker.io', url: ['https://registry-1.docker.io'] }
// A token that ran out is told to be renewed at NVIDIA's own address, a first one at nvcr.io.
const NVIDIA: WellKnown = { host: 'nvcr.io', origins: ['https://authn.nvidia.com'] }

export const WELL_KNOWN: readonly WellKnown[] = [
  HUB,
  { host: 'quay.io' },
  { host: 'ghcr.io' },
  { host: 'gcr.io' },
  { host: 'registry.k8s.io' },
  { host: 'registry.redhat.io' },
  { host: 'registry.access.redhat.com' },
  { host: 'registry.connect.redhat.com' },
  { host: 'registry.ci.openshift.org' },
  { host: 'mcr.microsoft.com' },
  { host: 'public.ecr.aws' },
  { host: 'registry.gitlab.com' },
  NVIDIA,
  { host: 'docker.elastic.co' },
  { host: 'icr.io' },
  { host: 'cp.icr.io' },
  { host: 'cgr.dev' },
  { host: 'lscr.io' },
  { host: 'registry.fedoraproject.org' },
  { host: 'registry.opensuse.org' },
  { host: 'registry.suse.com' },
]

const BY_HOST = new Map(WELL_KNOWN.map((known) => [known.host, known]))
const HUB_HOSTS = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

/** What is known of a registry by its name in images; a bare name for all others. */
export function knownOf(host: string): WellKnown {
  return BY_HOST.get(host) ?? { host }
}

/** The name that images have for the registry that answers at this host. */
export function imageHostOf(host: string): string {
  return HUB_HOSTS.has(host) ? HUB.host : host
}
