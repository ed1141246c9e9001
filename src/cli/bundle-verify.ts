// `tarn bundle verify`: reads bundles and says whether they are right. It needs no registry and changes nothing.
import { dirname, resolve } from 'node:path'
import { Command } from 'commander'
import { listArchives } from '../bundle/archive-files.ts'
import { readBundleHead } from '../bundle/read-bundle.ts'
import { readSigners, signersPath } from '../bundle/trust.ts'
import type { VerifiedPart } from '../bundle/verify-bundle.ts'
import { BundleVerifier } from '../bundle/verify-bundle.ts'
import type { AllowedSigner } from '../bundle/allowed-signers.ts'
import { loadCommandConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import { openArchive } from './archive-file.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { configOption } from './home.ts'
import { EXIT } from './output.ts'
import { describeProblem } from './printable.ts'
import { watchProgress } from './progress.ts'
import { formatBytes, formatCount } from './table.ts'

interface VerifyCommandOptions {
  readonly requireSignature?: true
  readonly allowedSigners?: string
  readonly config?: string
}

interface FileResult {
  readonly file: string
  readonly verified?: VerifiedPart
  /** What is wrong with it. */
  readonly flaw?: string
}

/** `tarn bundle verify FILE…`. */
export function bundleVerifyCommand(context: CommandContext): Command {
  return new Command('verify')
    .description('read bundles and verify every byte, without taking anything; exit code 4 when something is wrong')
    .argument('<file...>', 'parts, a directory of parts, or - for standard input')
    .option('--require-signature', 'a bundle that nobody in the allowed_signers file signed is wrong')
    .option('--allowed-signers <file>', 'who may sign (default: auth/allowed_signers of the home, if there is one)')
    .addOption(configOption())
    .action(async (files: string[], options: VerifyCommandOptions, command: Command) => {
      await verify(files, options, command, context)
    })
}

async function verify(
  files: readonly string[],
  options: VerifyCommandOptions,
  command: Command,
  context: CommandContext,
): Promise<void> {
  const signers = findSigners(options)
  const policy = { signers, required: options.requireSignature ?? false, now: context.clock() }
  const verifier = new BundleVerifier()
  const results: FileResult[] = []
  for (const file of await inOrder(listArchives(files), context)) {
    const progress = watchProgress(command, context)
    try {
      const { bytes, size } = openArchive(file, context)
      results.push({ file, verified: await verifier.verify(bytes, { policy, size, emit: progress.onEvent }) })
    } catch (error) {
      if (!(error instanceof Problem) || error.exitCode !== EXIT.notVerified) throw error
      results.push({ file, flaw: error.message })
    } finally {
      progress.end()
    }
  }
  const missing = findMissing(results)
  outputOf(command, context).result({ files: results, missing }, formatVerified(results, missing))
  if (results.some(({ flaw }) => flaw !== undefined)) process.exitCode = EXIT.notVerified
}

// A home is not needed: bundles are verified where they are made, and on the way.
function findSigners({ allowedSigners, config }: VerifyCommandOptions): readonly AllowedSigner[] | undefined {
  if (allowedSigners !== undefined) {
    const found = readSigners(allowedSigners)
    if (found !== undefined) return found
    throw new Problem(`there is no file ${allowedSigners}`, { hint: 'check the path', exitCode: EXIT.usage })
  }
  const { config: found, path } = loadCommandConfig({ env: process.env, ...(config !== undefined && { path: config }) })
  return readSigners(signersPath(found, path === undefined ? undefined : dirname(resolve(path))))
}

/** By part, so that blobs which are cut are hashed as a whole too. What cannot be read is told when its turn comes. */
async function inOrder(files: readonly string[], context: CommandContext): Promise<string[]> {
  if (files.length < 2 || files.includes('-')) return [...files]
  const parts = new Map<string, number>()
  for (const file of files) {
    const head = await readBundleHead(openArchive(file, context).bytes).catch(() => undefined)
    parts.set(file, head?.part ?? 0)
  }
  return files.toSorted((a, b) => (parts.get(a) ?? 0) - (parts.get(b) ?? 0))
}

/** Parts that were not given, by bundle. */
function findMissing(results: readonly FileResult[]): { readonly id: string; readonly parts: readonly number[] }[] {
  const given = new Map<string, { parts: number; seen: Set<number> }>()
  for (const { verified } of results) {
    if (verified === undefined) continue
    const { id, part, parts } = verified.bundle
    const one = given.get(id) ?? { parts, seen: new Set() }
    one.seen.add(part)
    given.set(id, one)
  }
  return [...given].flatMap(([id, { parts, seen }]) => {
    const left = Array.from({ length: parts }, (_, at) => at + 1).filter((part) => !seen.has(part))
    return left.length === 0 ? [] : [{ id, parts: left }]
  })
}

function formatVerified(results: readonly FileResult[], missing: ReturnType<typeof findMissing>): string {
  const lines = results.map(({ file, verified, flaw }) => {
    if (verified === undefined) return describeProblem({ path: file, what: flaw ?? '' })
    const { bundle, blobs, bytes, images, signature } = verified
    const signed = signature.state === 'trusted' ? `signed by ${signature.signer}` : describeKey(signature)
    return `${file}: right; part ${bundle.part} of ${bundle.parts}, number ${bundle.sequence}, ${formatCount(images, 'image')}, ${formatCount(blobs, 'blob')} (${formatBytes(bytes)}), ${signed}`
  })
  for (const { id, parts } of missing) lines.push(`of bundle ${id.slice(0, 16)} part ${parts.join(', ')} was not given`)
  return lines.join('\n')
}

function describeKey(signature: VerifiedPart['signature']): string {
  return 'key' in signature ? `signed by ${signature.key}, whom no allowed_signers file names` : 'unsigned'
}
