// `tarn release mirror FROM TO`: mirrors a release with its signatures and prints what `oc adm release mirror` prints. The
// exit code says whether all of it is there.
import { Command, Option } from 'commander'
import { Problem } from '../../config/problem.ts'
import type { Instructions } from '../../openshift/mirror-instructions.ts'
import { INSTRUCTIONS } from '../../openshift/mirror-instructions.ts'
import { parseReleaseName, parseReleaseTarget } from '../../openshift/release-reference.ts'
import type { MirrorReport } from '../../openshift/release-report.ts'
import { isInPart } from '../../openshift/release-report.ts'
import type { TagStyle } from '../../openshift/release-tags.ts'
import { TAG_STYLES } from '../../openshift/release-tags.ts'
import { parseListenAddress } from '../../config/address.ts'
import { Given } from '../cluster/given.ts'
import type { CommandContext } from '../context.ts'
import { outputOf } from '../context.ts'
import { readHome } from '../home.ts'
import type { Home } from '../home.ts'
import { EXIT } from '../output.ts'
import { watchProgress } from '../progress.ts'
import { formatBytes, formatCount, formatTable } from '../table.ts'
import type { ReleaseOptions } from './options.ts'
import { absolute, addReleaseOptions, readCommon, requireOneSource } from './options.ts'

interface MirrorOptions extends ReleaseOptions {
  readonly dryRun?: true
  readonly requireSignature?: true
  readonly tagStyle: TagStyle
  readonly toReleaseImage?: string
  readonly printMirrorInstructions: Instructions
  readonly registry?: string
}

export function mirrorCommand(context: CommandContext): Command {
  const command = new Command('mirror')
    .description('mirror a release: every component by digest under the tags of oc, the release image, its signatures')
    .argument(
      '<from>',
      'quay.io/…/ocp-release:TAG, ocp4/openshift4:TAG of this registry, dir:PATH, bundle:PATH, data:PATH; with --channel the target',
    )
    .argument('[to]', 'ocp4/openshift4 of this registry, HOST:PORT/ocp4/openshift4, or dir:PATH as oc writes it')
    .option('--dry-run', 'tell what there is to copy and how much, and copy nothing')
    .option('--require-signature', 'refuse a release that is not verified, also one that names no keyring')
    .option('--to-release-image <image>', 'where the release image goes: REPOSITORY:TAG, or a tag')
    .addOption(
      new Option('--tag-style <style>', 'arch: 4.18.3-x86_64-etcd; plain: 4.4.10-etcd; auto: as the oc of its version')
        .choices(TAG_STYLES)
        .default('auto'),
    )
    .addOption(
      new Option('--print-mirror-instructions <kind>', 'auto goes by the version')
        .choices(INSTRUCTIONS)
        .default('auto'),
    )
    .option('--registry <host:port>', 'this registry as clients name it (default: by the home’s certificate)')
    .action(async (first: string, second: string | undefined, options: MirrorOptions, command: Command) => {
      await mirror(first, second, options, command, context)
    })
  return addReleaseOptions(command)
}

async function mirror(
  first: string,
  second: string | undefined,
  options: MirrorOptions,
  command: Command,
  context: CommandContext,
): Promise<void> {
  const [from, to] = options.channel === undefined ? [first, second] : [undefined, first]
  if (to === undefined || (options.channel !== undefined && second !== undefined)) {
    throw new Problem('it is not said where the release goes', { hint: 'tarn release mirror FROM TO', exitCode: 2 })
  }
  requireOneSource(from, options)
  const target = parseReleaseTarget(to)
  const home = readHome(options, command, context)
  const { dryRun = false, requireSignature = false, tagStyle: style, printMirrorInstructions: instructions } = options
  // Only here: other commands need neither the lock nor the API.
  const { actOnRelease, findRelease } = await import('./act.ts')
  const image = await findRelease(from, options, home)
  const host = target.kind === 'local' ? nameOf(options, home, command, context) : 'localhost'
  const asked = {
    ...readCommon(image, options),
    to: absolute(to),
    host,
    style,
    instructions,
    dryRun,
    requireSignature,
    ...(options.toReleaseImage !== undefined && { releaseImage: options.toReleaseImage }),
  }
  const local = target.kind === 'local' || parseReleaseName(image, options.image).kind === 'local'
  const changes = !dryRun && target.kind === 'local'
  const progress = watchProgress(command, context)
  const act = { name: 'POST /release/mirror', options: asked, local, changes } as const
  const report = await actOnRelease({ ...act, onEvent: progress.onEvent }, home, context).finally(() => progress.end())
  outputOf(command, context).result(report, formatMirror(report))
  if (isInPart(report)) process.exitCode = EXIT.partly
}

function nameOf(options: MirrorOptions, home: Home, command: Command, context: CommandContext): string {
  try {
    return new Given(options, command, context).registry(options.registry).name
  } catch (error) {
    if (!(error instanceof Problem) || options.registry !== undefined) throw error
    const port = parseListenAddress(home.config.http.addr)?.port ?? 5000
    return `localhost:${port}`
  }
}

/** One table, then what oc prints. */
export function formatMirror(report: MirrorReport): string {
  const { images, counts, signature, dryRun } = report
  const rows = images.map(({ components, tags, digest = '', state, bytes, why }) => [
    components.length === 0 ? 'the release' : components.join(', '),
    tags.join(', '),
    digest.slice(0, 19),
    dryRun && state === 'copied' ? 'to copy' : state,
    bytes === 0 ? '' : formatBytes(bytes),
    why ?? '',
  ])
  const heading = ['component', 'tags', 'digest', 'state', 'size', '']
  const wide = formatTable([heading.slice(0, 5), ...rows.map((row) => row.slice(0, 5))], [4])
  const troubles = images.flatMap(({ components, why, hint, state }) =>
    why === undefined
      ? []
      : [`${state}: ${components[0] ?? 'the release'}: ${why}`, ...(hint === undefined ? [] : [`  hint: ${hint}`])],
  )
  const sums = [
    `${dryRun ? 'to copy' : 'copied'} ${counts.copied}`,
    `here ${counts.here}`,
    ...(counts.incomplete > 0 ? [`incomplete ${counts.incomplete}`] : []),
    `failed ${counts.failed}`,
  ]
  const size = `${formatCount(report.blobs, 'blob')}, ${formatBytes(report.bytes)}`
  const lines = [
    wide,
    ...troubles,
    `release ${report.version} ${report.digest} to ${report.to}: ${sums.join(', ')} (${size}, ${report.seconds.toFixed(1)} s)`,
    `signature: ${signature.what}`,
  ]
  if (signature.state !== 'verified') lines.push(...signature.problems.map((problem) => `  ${problem}`))
  if (signature.state === 'unsigned')
    lines.push('warning: a cluster refuses to upgrade to a release without its signature; see --signature-store')
  if (counts.incomplete > 0)
    lines.push(`warning: ${formatCount(counts.incomplete, 'image')} came without all that refers to it (see above)`)
  if (report.instructions !== undefined && !dryRun) lines.push('', report.instructions)
  if (counts.failed > 0 || counts.incomplete > 0)
    lines.push(`hint: give the command again: what is here is not sent again`)
  return lines.join('\n')
}
