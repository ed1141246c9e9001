// Everything that hosts outside OpenShift need, and the shell script that puts it in place. Pure.
import { createHash } from 'node:crypto'
import type { Handout, HandoutFile } from './handout.ts'
import { quoteWord } from './handout.ts'
import { makeContainerdFiles } from './node-containerd.ts'
import { makeDockerFiles } from './node-docker.ts'
import { makeRancherFiles } from './node-k3s.ts'
import type { NodeOptions } from './node-options.ts'
import { makePodmanFiles } from './node-podman.ts'

export const RUNTIMES = ['podman', 'containerd', 'k3s', 'rke2', 'docker'] as const
export type Runtime = (typeof RUNTIMES)[number]

interface Kind {
  readonly files: (options: NodeOptions) => HandoutFile[]
  /** Is true of a shell where the runtime is. */
  readonly test: string
  /** What is typed when the files lie in place. */
  readonly after: readonly string[]
  readonly notes: (options: NodeOptions) => readonly string[]
}

const KINDS: Readonly<Record<Runtime, Kind>> = {
  podman: {
    files: makePodmanFiles,
    test: 'command -v podman || command -v buildah || command -v skopeo || command -v crio',
    after: ['if systemctl -q is-active crio; then systemctl reload crio; fi'],
    notes: ({ login }) => (login === undefined ? [] : ['users other than root log in themselves: podman login']),
  },
  containerd: {
    files: makeContainerdFiles,
    test: 'command -v containerd',
    after: [
      `grep -qs 'config_path *= *"/etc/containerd/certs.d"' /etc/containerd/config.toml || echo 'set config_path = "/etc/containerd/certs.d" in /etc/containerd/config.toml (section registry of the CRI plugin), then: systemctl restart containerd'`,
    ],
    notes: ({ pairs, registry }) => {
      const renamed = pairs.filter(({ source, mirror }) => mirror !== `${registry.name}/${source.replaceAll(':', '_')}`)
      return renamed.length === 0
        ? []
        : [
            `containerd keeps the path of an image: of ${renamed.map(({ source }) => source).join(', ')} it finds only what lies here under that path`,
          ]
    },
  },
  k3s: {
    files: (options) => makeRancherFiles('k3s', options),
    test: 'test -d /etc/rancher/k3s',
    after: ['echo "then: systemctl restart k3s   (or k3s-agent)"'],
    notes: ({ neverSource }) =>
      neverSource ? ['k3s and RKE2 never ask the source with --disable-default-registry-endpoint'] : [],
  },
  rke2: {
    files: (options) => makeRancherFiles('rke2', options),
    test: 'test -d /etc/rancher/rke2',
    after: ['echo "then: systemctl restart rke2-server   (or rke2-agent)"'],
    notes: () => [],
  },
  docker: {
    files: makeDockerFiles,
    test: 'command -v dockerd',
    after: ['echo "then: systemctl restart docker"'],
    notes: ({ isHub, login }) => [
      ...(isHub
        ? []
        : [
            'dockerd mirrors Docker Hub only and asks without a path: give this registry proxy: {remoteurl: https://registry-1.docker.io}, or write names in full, HOST:PORT/quay.io/…',
          ]),
      ...(login === undefined
        ? []
        : ['dockerd shows a mirror no login: what it asks for as a mirror needs access: {anonymous: pull}']),
    ],
  },
}

/** Files of the runtimes, a script that puts them in place, and what a person should know. */
export function handOutNodes(runtimes: readonly Runtime[], options: NodeOptions): Handout {
  const parts = runtimes.map((runtime) => ({ runtime, files: KINDS[runtime].files(options) }))
  const files = parts.flatMap((part) => part.files)
  return {
    files,
    commands: parts.flatMap(({ runtime, files: own }) => [
      ...own.map(({ path, place = path, secret = false, shared = false }) => {
        const backup = shared ? '-b -S .before-tarn ' : ''
        return `install -D ${backup}-m ${secret ? 600 : 644} ${quoteWord(path)} ${quoteWord(place)}`
      }),
      ...KINDS[runtime].after,
    ]),
    notes: runtimes.flatMap((runtime) => KINDS[runtime].notes(options)),
  }
}

/**
 * A script for `sh` on the node, as root. With `guarded` each part runs only where its runtime is. A file that stands in the
 * place of one that others may own is not replaced, unless ours was made from that very file: ours is put beside it, and
 * the script says so.
 */
export function makeNodeScript(
  runtimes: readonly Runtime[],
  options: NodeOptions,
  { guarded }: { readonly guarded: boolean },
): string {
  const parts = runtimes.flatMap((runtime) => {
    const body = [...KINDS[runtime].files(options).map(putFile), ...KINDS[runtime].after].join('\n')
    return [
      `# ${runtime}`,
      ...(guarded ? [`if { ${KINDS[runtime].test}; } >/dev/null 2>&1; then`, body, 'fi'] : [body]),
      '',
    ]
  })
  return [HEAD, ...parts].join('\n')
}

const HEAD = `# made by tarn cluster nodes; for sh, as root, on the node
set -eu
umask 022
# without it no file could be told from another
sha256sum </dev/null >/dev/null || { echo 'sha256sum is missing; nothing was changed' >&2; exit 1; }
sum() { sha256sum <"$1" | cut -c1-64; }
# put PLACE MODE own|shared [SUM]: takes the file from stdin; SUM is of the file that it was made from
put() {
  place=$1
  mkdir -p "$(dirname "$place")"
  (umask 077 && cat >"$1.new")
  if [ "$3" = shared ] && [ -e "$place" ] && ! grep -qs 'made by tarn cluster nodes' "$place"; then
    if [ "$(sum "$place")" = "\${4:-}" ]; then
      cp -p "$place" "$place.before-tarn"
    elif [ "$(sum "$place")" != "$(sum "$1.new")" ]; then
      place=$1.tarn
      echo "kept $1, which is there already; see what it lacks: $place" >&2
    fi
  fi
  chmod "$2" "$1.new"
  mv "$1.new" "$place"
}
`

function putFile({ place = '', text, secret = false, shared = false, over }: HandoutFile): string {
  const end = text.endsWith('\n') ? '' : '\n'
  const sum = over === undefined ? '' : ` ${createHash('sha256').update(over).digest('hex')}`
  const words = `${quoteWord(place)} ${secret ? 600 : 644} ${shared ? 'shared' : 'own'}${sum}`
  return `put ${words} <<'END-OF-FILE'\n${text}${end}END-OF-FILE`
}
