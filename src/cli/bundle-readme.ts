// README.txt of a medium with Tarn on it: what to type at the far side, where there may be nothing but tar, and what of that
// suffices for this very bundle.
import type { BundleIndex } from '../bundle/bundle-index.ts'
import { isPlainTar } from '../bundle/bundle-index.ts'
import { quoteWord } from '../openshift/cluster/handout.ts'

/** Tarn packed to be unpacked and run, as `npm run dist` calls it. */
export const PROGRAM = /^(tarn-.+-linux-(?:x64|arm64))\.tar\.gz$/

export interface Medium {
  /** Names of the files of Tarn itself. */
  readonly tarn: readonly string[]
  /** Names of the files of the bundle, in the order of its parts. */
  readonly bundle: readonly string[]
  readonly isSigned: boolean
  readonly index: Pick<BundleIndex, 'blobs' | 'buildsOn'>
}

// docs/formats/bundle.md, "With plain tar": the names of slices sort as the slices do.
const JOIN = `find data/docker -name 'slice-*' -printf '%h\\n' | sort -u | while read -r d; do cat "$d"/slice-* > "$d/data" && rm "$d"/slice-*; done`

/** The text. Lines that begin with three blanks are commands, in order, for a shell. */
export function writeReadme({ tarn, bundle, isSigned, index }: Medium): string {
  const programs = tarn.filter((name) => PROGRAM.test(name))
  const program = programs.find((name) => name.includes('-x64.')) ?? programs[0] ?? ''
  const images = tarn.filter((name) => name.includes('-image-'))
  const image = images.find((name) => name.includes('-x64.')) ?? images[0]
  const folder = PROGRAM.exec(program)?.[1] ?? ''
  const parts = bundle.map((name) => quoteWord(`/media/${name}`))
  return `This medium holds container images and the registry that serves them. Nothing has to be fetched, nothing to be installed.
Below, /media stands for this directory.

0. Look whether all of it arrived:

   cd /media && sha256sum -c SHA256SUMS

1. Unpack Tarn${programs.length > 1 ? ' (on a machine with ARM processors the file that ends in arm64)' : ''}:

   tar -xzf ${quoteWord(`/media/${program}`)} -C /opt

2. Make a registry. It asks for a password, and says how clients trust it:

   /opt/${folder}/bin/tarn init /opt/registry --host $(hostname -f) --user admin
${
  isSigned
    ? `
   The images are signed. Put the line that the sender gave you by another way into /opt/registry/auth/allowed_signers.
`
    : ''
}
3. Take the images in:

   /opt/${folder}/bin/tarn bundle apply --config /opt/registry/config.yml ${parts.join(' ')}
${describeBase(index)}
Then serve them, until it is made a service of the machine:

   /opt/${folder}/bin/tarn serve /opt/registry/config.yml
${
  image === undefined
    ? ''
    : `
With podman in the place of 1${images.length > 1 ? ' (with ARM processors the file with arm64)' : ''}, after which localhost/tarn takes the commands from "init" on:

   podman load -i ${quoteWord(`/media/${image}`)}
`
}
Without Tarn any registry:2 or registry:3 serves the images: as the user to whom its files belong, in the directory in which
its data/ lies${parts.length > 1 ? '. All files, in this order: what gives the images their names is in the last' : ''}:

${unpack(parts).map(indent).join('\n')}
${
  isPlainTar(index.blobs)
    ? ''
    : `
tar alone does not suffice: a blob that is larger than a file of this bundle lies in pieces. Put them together before the
registry is asked for it:

${indent(JOIN)}
`
}${
    index.buildsOn.length === 0
      ? ''
      : `
Nor does tar say what is missing there. Where the registry has not what this bundle leaves out, pulls of these images fail.
`
  }`
}

/** What a bundle that leaves something out can be taken in by. */
function describeBase({ buildsOn }: Medium['index']): string {
  if (buildsOn.length === 0) return ''
  const on = buildsOn.map(({ kind, id, sequence }) => `${kind} ${id.slice(0, 16)}, number ${sequence}`)
  return `
This bundle leaves out what was known to be at the far side (${on.join('; ')}):
it is complete only there, in the registry that has this already. Anywhere else images wait for the rest, and are told.
`
}

// Every tar reads standard input; not every one knows zstd.
function unpack(parts: readonly string[]): string[] {
  const isPacked = parts.some((word) => /\.zst'?$/.test(word))
  const words = parts.join(' ')
  if (parts.length === 1) return [isPacked ? `zstd -dc ${words} | tar -xf -` : `tar -xf ${words}`]
  const each = isPacked ? 'zstd -dc "$part" | tar -xf -' : 'tar -xf "$part"'
  return [`for part in ${words}; do ${each} || break; done`]
}

function indent(command: string): string {
  return `   ${command}`
}
