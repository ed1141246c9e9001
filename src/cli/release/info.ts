// `tarn release info RELEASE`: what its payload says, laid out as `oc adm release info` does.
import { Command } from 'commander'
import { parseReleaseName } from '../../openshift/release-reference.ts'
import type { ReleaseInfo } from '../../openshift/release-report.ts'
import type { CommandContext } from '../context.ts'
import { outputOf } from '../context.ts'
import { readHome } from '../home.ts'
import { watchProgress } from '../progress.ts'
import { formatTable } from '../table.ts'
import type { ReleaseOptions } from './options.ts'
import { addReleaseOptions, readCommon, requireOneSource } from './options.ts'

export function infoCommand(context: CommandContext): Command {
  const command = new Command('info')
    .description('what the payload of a release says: its version, its components, who signed it')
    .argument(
      '[release]',
      'quay.io/…/ocp-release:TAG, ocp4/openshift4:TAG of this registry, dir:PATH, bundle:PATH, data:PATH',
    )
    .action(async (from: string | undefined, options: ReleaseOptions, command: Command) => {
      requireOneSource(from, options)
      const home = readHome(options, command, context)
      // Only here: other commands need neither the lock nor the API.
      const { actOnRelease, findRelease } = await import('./act.ts')
      const image = await findRelease(from, options, home)
      const progress = watchProgress(command, context)
      const local = parseReleaseName(image, options.image).kind === 'local'
      const act = { name: 'POST /release/info', options: readCommon(image, options), local, changes: false } as const
      const info = await actOnRelease({ ...act, onEvent: progress.onEvent }, home, context).finally(() =>
        progress.end(),
      )
      outputOf(command, context).result(info, formatInfo(info))
    })
  return addReleaseOptions(command)
}

/** As `oc adm release info` prints it, and what is known of its signature. */
export function formatInfo(info: ReleaseInfo): string {
  const { metadata, versions, images, signature } = info
  const rows: [string, string][] = [
    ['Name:', info.version],
    ['Digest:', info.digest],
    ['Created:', info.created ?? '<unknown>'],
    ['OS/Arch:', `${info.os}/${info.isList ? info.architectures.join(', ') : info.architecture}`],
    ['Manifests:', String(info.files.manifests)],
    ['Metadata files:', String(info.files.metadata)],
    ['Signature:', `${signature.state}: ${signature.what}`],
  ]
  const lines = [formatTable(rows).replaceAll(/ {2}(?=\S)/g, ' '), '', `Pull From: ${info.pullFrom}`]
  if (metadata !== undefined) {
    lines.push('', 'Release Metadata:', `  Version:  ${metadata.version ?? info.version}`)
    lines.push(`  Upgrades: ${metadata.previous.length === 0 ? '<none>' : metadata.previous.join(', ')}`)
    const more = Object.entries(metadata.metadata)
    if (more.length > 0) lines.push('  Metadata:', ...more.map(([key, value]) => `    ${key}: ${value}`))
  }
  if (versions.length > 0)
    lines.push('', 'Component Versions:', ...versions.map(({ name, version }) => `  ${name} ${version}`))
  const table = formatTable([['NAME', 'DIGEST'], ...images.map(({ name, digest }) => [name, digest])])
  lines.push('', 'Images:', ...table.split('\n').map((line) => `  ${line.replace(/ {2}(?=\S+$)/, ' ')}`))
  if (signature.problems.length > 0)
    lines.push('', 'Signatures that do not count:', ...signature.problems.map((problem) => `  ${problem}`))
  return lines.join('\n')
}
