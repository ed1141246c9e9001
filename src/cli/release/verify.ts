// `tarn release verify RELEASE`: whether everything of it is there, whole and signed; exit code 4 when it is not.
import { Command, Option } from 'commander'
import { parseReleaseName } from '../../openshift/release-reference.ts'
import type { VerifyReport } from '../../openshift/release-report.ts'
import type { TagStyle } from '../../openshift/release-tags.ts'
import { TAG_STYLES } from '../../openshift/release-tags.ts'
import type { CommandContext } from '../context.ts'
import { outputOf } from '../context.ts'
import { readHome } from '../home.ts'
import { EXIT } from '../output.ts'
import { watchProgress } from '../progress.ts'
import { formatBytes, formatCount } from '../table.ts'
import type { ReleaseOptions } from './options.ts'
import { addReleaseOptions, readCommon, requireOneSource } from './options.ts'

interface VerifyOptions extends ReleaseOptions {
  readonly fast?: true
  readonly requireSignature?: true
  readonly tagStyle: TagStyle
}

export function verifyCommand(context: CommandContext): Command {
  const command = new Command('verify')
    .description('whether everything of a release is there, whole and signed; exit code 4 when it is not')
    .argument('[release]', 'ocp4/openshift4:TAG of this registry, HOST/…:TAG, dir:PATH, bundle:PATH, data:PATH')
    .option('--fast', 'look for images only, without reading every blob')
    .option('--require-signature', 'a release that names no keyring is a fault as well')
    .addOption(
      new Option('--tag-style <style>', 'auto takes the tags of either generation').choices(TAG_STYLES).default('auto'),
    )
    .action(async (from: string | undefined, options: VerifyOptions, command: Command) => {
      requireOneSource(from, options)
      const home = readHome(options, command, context)
      const { fast = false, requireSignature = false, tagStyle: style } = options
      // Only here: other commands need neither the lock nor the API.
      const { actOnRelease, findRelease } = await import('./act.ts')
      const image = await findRelease(from, options, home)
      const progress = watchProgress(command, context)
      const local = parseReleaseName(image, options.image).kind === 'local'
      const asked = { ...readCommon(image, options), fast, requireSignature, style }
      const act = { name: 'POST /release/verify', options: asked, local, changes: false } as const
      const report = await actOnRelease({ ...act, onEvent: progress.onEvent }, home, context).finally(() =>
        progress.end(),
      )
      outputOf(command, context).result(report, formatVerify(report))
      if (!report.ok) process.exitCode = EXIT.notVerified
    })
  return addReleaseOptions(command)
}

/** One line a fault, then what was looked at. */
export function formatVerify(report: VerifyReport): string {
  const { faults, signature } = report
  const lines = faults.map(({ kind, component, digest, what }) => {
    const where = [component ?? 'the release', ...(digest === undefined ? [] : [digest])].join(' ')
    return `${kind}  ${where}  ${what}`
  })
  lines.push(`release ${report.version} ${report.digest} (${report.name})`)
  const read = report.fast ? 'blobs not read' : `${formatCount(report.blobs, 'blob')} (${formatBytes(report.bytes)})`
  const parts = [
    formatCount(report.components, 'component'),
    formatCount(report.manifests, 'manifest'),
    read,
    `${report.seconds.toFixed(1)} s`,
  ]
  lines.push(`looked at ${parts.join(', ')}`, `signature: ${signature.what}`, formatReferrers(report))
  if (report.ok) return [...lines, 'everything of it is here'].join('\n')
  lines.push(...signature.problems.map((problem) => `  ${problem}`))
  lines.push(
    `${formatCount(faults.length, 'fault')}: mirror it again (tarn release mirror), or heal it from a copy (tarn check --repair --from PATH)`,
  )
  return lines.join('\n')
}

function formatReferrers({ referrers, recorded }: VerifyReport): string {
  const here =
    referrers === 0
      ? 'nothing'
      : formatCount(referrers, 'signature, SBOM or the like', 'signatures, SBOMs and the like')
  const known = recorded
    ? 'what came with it was written down'
    : 'what there should be was not written down (tarn release mirror --dry-run FROM TO compares)'
  return `sigstore: ${here} beside its images; ${known}`
}
