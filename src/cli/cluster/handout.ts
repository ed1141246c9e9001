// Hands out what a `tarn cluster` command made: as files, or on stdout in a form that the next program takes as it is.
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { Option } from 'commander'
import { replaceFile } from '../../config/write-file.ts'
import type { Handout, HandoutFile } from '../../openshift/cluster/handout.ts'
import { quoteWord } from '../../openshift/cluster/handout.ts'
import type { CommandContext } from '../context.ts'
import { outputOf } from '../context.ts'

/** `--out DIR`, the same in all of them. */
export function outOption(): Option {
  return new Option('--out <dir>', 'write files into this directory instead of stdout')
}

/**
 * With `out` writes the files there (logins with mode 0600) and prints their paths and the commands. Else prints the files:
 * YAML with the commands as comments, so that `oc apply -f -` takes it; anything else as it is, the commands on stderr.
 * `asText` replaces the files on stdout where they are no documents of one stream. With --json one document tells all,
 * the texts of files that were written left out.
 */
export async function deliver(
  handout: Handout,
  { out, asText }: { readonly out?: string | undefined; readonly asText?: string | undefined },
  command: Command,
  context: CommandContext,
): Promise<void> {
  const output = outputOf(command, context)
  const { files, commands, notes } = handout
  for (const note of notes) output.note(`note: ${note}`)
  if (out !== undefined) {
    const directory = resolve(out)
    const written = await writeFiles(directory, files)
    const lines = [
      ...written.map(({ path }) => `made ${path}`),
      ...(commands.length === 0
        ? []
        : ['', 'Apply it:', `  cd ${quoteWord(directory)}`, ...commands.map((line) => `  ${line}`)]),
    ]
    output.result({ files: written, commands, notes }, lines.join('\n'))
    return
  }
  const value = {
    files: files.map(({ path, text, place }) => ({ path, text, ...(place && { place }) })),
    commands,
    notes,
  }
  if (asText !== undefined) {
    output.result(value, asText.trimEnd())
    return
  }
  const isYaml =
    files.every(({ path }) => /\.(?:ya?ml|json)$/.test(path)) && files.some(({ path }) => /\.ya?ml$/.test(path))
  if (isYaml || files.length > 1) {
    const heading = ['# apply it:', ...commands.map((line) => `#   ${line}`)]
    const texts = files.map(({ path, text }) => `# ${path}\n${text}`)
    output.result(value, [...heading, texts.join('---\n')].join('\n').trimEnd())
    return
  }
  for (const line of commands) output.note(`apply it: ${line}`)
  output.result(
    value,
    files
      .map(({ text }) => text)
      .join('')
      .trimEnd(),
  )
}

/** Writes the files below the directory, logins for their owner alone; gives their paths. */
export async function writeFiles(
  directory: string,
  files: readonly HandoutFile[],
): Promise<{ readonly path: string; readonly place?: string }[]> {
  const written: { path: string; place?: string }[] = []
  for (const file of files) written.push(await writeBelow(directory, file))
  return written
}

async function writeBelow(directory: string, { path, text, secret, place }: HandoutFile) {
  const target = join(directory, path)
  await mkdir(dirname(target), { recursive: true })
  await replaceFile(target, text, secret === true ? 0o600 : 0o644)
  return { path: target, ...(place !== undefined && { place }) }
}
