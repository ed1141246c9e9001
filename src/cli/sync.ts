// `tarn sync`: fills the registry from others, by a sync file or by the name of one image, through the running registry or
// in the directory itself. The exit code says whether all of it is here.
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command as Parent } from 'commander'
import { Command } from 'commander'
import { Problem } from '../config/problem.ts'
import type { OptionsOf, ReportOf } from '../http/api/routes.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { ImageSource } from '../config/image-source.ts'
import type { ElsewherePlan, ElsewhereReport } from '../exchange/elsewhere-report.ts'
import { parsePlace } from '../exchange/place.ts'
import { readArguments } from '../mirror/sync/arguments.ts'
import { orderImage } from '../mirror/sync/order.ts'
import type { CommandContext } from './context.ts'
import { collect, outputOf } from './context.ts'
import { configOption, readHome } from './home.ts'
import { EXIT } from './output.ts'
import type { Output } from './output.ts'
import type { Elsewhere } from './sync-elsewhere.ts'
import { readSyncFile } from './sync-file.ts'
import { watchSync } from './sync-progress.ts'
import { formatSyncPlan } from './sync-plan.ts'
import type { WriteReportsOptions } from './sync-report-file.ts'
import { oneOrAll, readFailed, writeReports } from './sync-report-file.ts'
import { formatSyncReport } from './sync-report.ts'
import { showSyncStatus, stopSyncs } from './sync-status.ts'

interface SyncCommandOptions {
  readonly file?: readonly string[]
  readonly platform?: readonly string[]
  readonly referrers: boolean
  readonly dryRun?: true
  readonly missing?: true
  readonly prune?: true
  readonly to?: string
  readonly toAuthfile?: string
  readonly toInsecure?: true
  readonly report?: string
  readonly status?: true
  readonly stop?: true | string
  readonly config?: string
}

type Asked = Pick<OptionsOf<'POST /sync'>, 'file' | 'image'>
type Report = ReportOf<'POST /sync'> | ElsewhereReport | ElsewherePlan

/** `tarn sync FILE…`, `tarn sync SOURCE [DEST]`. */
export function syncCommand(context: CommandContext): Command {
  return new Command('sync')
    .description('fetch images from other registries: what sync files say, or one image')
    .argument(
      '[what...]',
      'sync files; or an image with its registry, and where it goes: docker.io/library/alpine:3.20 [REPOSITORY[:TAG]]; docker://HOST/REPOSITORY[:TAG], oci:PATH[:NAME] and dir:PATH are other places',
    )
    .option('-f, --file <file>', 'a sync file (can be given again)', collect)
    .option(
      '--platform <platform>',
      'of one image only this platform, such as linux/amd64 (can be given again)',
      collect,
    )
    .option('--no-referrers', 'of one image leave out signatures, SBOMs and attestations')
    .option('--dry-run', 'tell what is new, moved, gone and here already, and how much there is to fetch')
    .option('--missing', 'only what failed the last time')
    .option('--prune', 'remove what is gone even where that is more than prune.maxShare')
    .option('--to <place>', 'not into this registry: docker://HOST[/PREFIX], oci:PATH, dir:PATH')
    .option('--to-authfile <file>', 'the login for that registry, as podman login writes it')
    .option('--to-insecure', 'that registry speaks plain HTTP, or nobody verifies its certificate')
    .option('--report <file>', 'write the report to this file as well')
    .option('--status', 'what the running registry syncs, and when it does it next')
    .option('--stop [id]', 'end syncs that run; what came stays for the next run')
    .addOption(configOption())
    .action(async (what: string[], options: SyncCommandOptions, command: Command) => {
      if (options.status === true) await showSyncStatus(options, command, context)
      else if (options.stop !== undefined)
        await stopSyncs(options.stop === true ? undefined : options.stop, options, command, context)
      else if (isFromFiles(what)) await importFrom(what, options, command, context)
      else await sync(what, options, command, context)
    })
}

/** Whether the images come out of an archive or a directory: then a sync is an import. */
function isFromFiles([first]: readonly string[]): boolean {
  return first !== undefined && !isFile(first) && parsePlace(first) !== undefined
}

async function importFrom(
  what: readonly string[],
  options: SyncCommandOptions,
  command: Parent,
  context: CommandContext,
): Promise<void> {
  const { platform, referrers, dryRun, config } = options
  const isElsewhere = options.to !== undefined || what.some((word) => word.startsWith('docker://'))
  if (
    isElsewhere ||
    options.file !== undefined ||
    options.missing === true ||
    options.prune === true ||
    options.report !== undefined
  )
    throw new Problem('images out of files come into this registry, and nothing else is asked of that', {
      hint: 'tarn sync PLACE [REPO], and from here to another place: tarn sync, tarn export',
      exitCode: 2,
    })
  const { importImages } = await import('./import.ts')
  const wishes = {
    referrers,
    ...(platform !== undefined && { platform }),
    ...(dryRun !== undefined && { dryRun }),
    ...(config !== undefined && { config }),
  }
  await importImages(what, wishes, command, context)
}

async function sync(
  what: readonly string[],
  options: SyncCommandOptions,
  command: Parent,
  context: CommandContext,
): Promise<void> {
  const output = outputOf(command, context)
  const { dryRun = false, missing = false, prune: confirmed = false } = options
  // Before anything is begun: what is wrong in the last file must not be found after hours.
  // Other places need much that a sync into this registry does not.
  const readPlace = async (text: string | undefined): Promise<Elsewhere | undefined> =>
    text === undefined ? undefined : (await import('./sync-elsewhere.ts')).parseElsewhere(text)
  const second = await readPlace(what[1])
  const exact = second?.kind === 'registry' && second.at.repository !== undefined
  const to = second ?? (await readPlace(options.to))
  const named = second === undefined ? what : [what[0] ?? '', ...(exact ? [nameOf(second.at)] : []), ...what.slice(2)]
  const asked = readAsked(named, options, (text) => output.note(text))
  const home = readHome(options, command, context)
  if (options.to !== undefined && to === undefined)
    throw new Problem(`${options.to} is no place`, {
      hint: 'write docker://HOST[/PREFIX], oci:PATH or dir:PATH',
      exitCode: 2,
    })
  if (to !== undefined) return syncElsewhere(asked, { ...options, to, exact }, home, command, context)
  // Only here: other commands need neither the lock nor the API.
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context, { removes: !dryRun })
  const reports: Report[] = []
  try {
    for (const each of asked) {
      const progress = watchSync(command, context)
      try {
        reports.push(await reached.call('POST /sync', { ...each, dryRun, missing, confirmed }, progress.onEvent))
      } finally {
        progress.end()
      }
    }
  } finally {
    await reached.close()
    if (options.report !== undefined)
      await writeReports(options.report, reports, endingOf(asked, reports, options, output))
  }
  tell(reports, output)
}

function tell(reports: readonly Report[], output: Output): void {
  output.result(oneOrAll(reports), reports.map(formatReport).join('\n\n'))
  const codes = reports.map(exitCodeOf)
  const code = codes.includes(EXIT.failed) ? EXIT.failed : Math.max(...codes)
  if (code !== EXIT.done) process.exitCode = code
}

async function syncElsewhere(
  asked: readonly Asked[],
  options: Omit<SyncCommandOptions, 'to'> & { readonly to: Elsewhere; readonly exact: boolean },
  home: LoadedConfig,
  command: Parent,
  context: CommandContext,
): Promise<void> {
  const { to, exact, dryRun = false, missing, prune, toAuthfile, toInsecure } = options
  const { report: path } = options
  if (prune === true)
    throw new Problem('--prune is for this registry', {
      hint: 'leave it out: elsewhere nothing is removed',
      exitCode: 2,
    })
  if (missing === true && path === undefined)
    throw new Problem('nothing says what failed the last time', {
      hint: 'add --report FILE, the report of that run; or leave --missing out: what is there is not sent again',
      exitCode: 2,
    })
  const output = outputOf(command, context)
  const registry = {
    ...(toAuthfile !== undefined && { credentials: { authFile: resolve(toAuthfile) } }),
    ...(toInsecure === true && { insecure: true, ...(to.kind === 'registry' && { url: [`http://${to.at.host}`] }) }),
  }
  const [{ stopBySignals, syncToPlace }, { readOrder }] = await Promise.all([
    import('./sync-elsewhere.ts'),
    import('../http/api/sync-route.ts'),
  ])
  // Before the first run: its report takes the place of what the others need.
  const orders = asked.map((each) => {
    const order = readOrder(each)
    return { order, only: missing === true && path !== undefined ? readFailed(path, order) : undefined }
  })
  const reports: (ElsewhereReport | ElsewherePlan)[] = []
  const { signal, end } = stopBySignals()
  try {
    for (const { order, only } of orders) {
      if (signal.aborted) break
      if (order.entries.some((entry) => entry.prune !== undefined))
        output.note(`warning: ${order.name}: prune is for this registry only, elsewhere nothing is removed`)
      const progress = watchSync(command, context)
      try {
        const wishes = { to, exact, dryRun, only, registry, signal }
        reports.push(await syncToPlace(order, { ...wishes, onEvent: progress.onEvent }, home, context))
      } finally {
        progress.end()
      }
    }
  } finally {
    end()
    if (path !== undefined) await writeReports(path, reports, endingOf(asked, reports, options, output))
  }
  tell(reports, output)
}

function nameOf({ repository, tag }: ImageSource): string {
  return `${repository ?? ''}${tag === undefined ? '' : `:${tag}`}`
}

function readAsked(what: readonly string[], options: SyncCommandOptions, note: (text: string) => void): Asked[] {
  const { file = [], platform, referrers } = options
  const [first, second, ...more] = what
  if (file.length > 0 || (first !== undefined && isFile(first))) {
    if (platform !== undefined || !referrers)
      throw new Problem('--platform and --no-referrers are for one image', {
        hint: 'write them into the sync file',
        exitCode: 2,
      })
    return [...file, ...what].map((name) => {
      const { text, path } = readSyncFile(name, note)
      return { file: { text, path } }
    })
  }
  if (first === undefined)
    throw new Problem('nothing says what to sync', {
      hint: 'name a sync file or an image: tarn sync docker.io/library/alpine:3.20',
      exitCode: 2,
    })
  if (more.length > 0)
    throw new Problem('more than a source and a destination', {
      hint: 'for several images write a sync file; several sync files are given with -f',
      exitCode: 2,
    })
  if (!/[:@]/u.test(first) && /\.(?:ya?ml|json)$/u.test(first))
    throw new Problem(`there is no sync file ${first}`, { hint: 'check the path', exitCode: 2 })
  const image = {
    source: first,
    ...(second !== undefined && { destination: second }),
    ...(platform !== undefined && { platforms: [...platform] }),
    referrers,
  }
  orderImage(readArguments(first, second, { ...(platform !== undefined && { platforms: platform }), referrers }))
  return [{ image }]
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

// What of the syncs that were asked for came to no report, or has one of a part, keeps the one that it had.
function endingOf(
  asked: readonly Asked[],
  reports: readonly Report[],
  { missing }: { readonly missing?: boolean | undefined },
  output: Output,
): WriteReportsOptions {
  return { isWhole: reports.length === asked.length && missing !== true, note: (text) => output.note(text) }
}

function formatReport(report: Report): string {
  return 'fits' in report ? formatSyncPlan(report) : formatSyncReport(report)
}

function exitCodeOf(report: Report): number {
  if ('fits' in report) {
    if (!report.fits) return EXIT.failed
    return report.counts.failed > 0 ? EXIT.partly : EXIT.done
  }
  if (report.outcome === 'done') return EXIT.done
  return report.outcome === 'partly' ? EXIT.partly : EXIT.failed
}
