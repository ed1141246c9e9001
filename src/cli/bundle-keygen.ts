// `tarn bundle keygen`: makes the key that signs bundles, and tells the line by which the far side knows it.
import { mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import type { KeyKind } from '../bundle/bundle-key.ts'
import { KEY_FILE, KEY_KINDS, makeBundleKey } from '../bundle/bundle-key.ts'
import { Problem } from '../config/problem.ts'
import { authDirectory } from './auth-directory.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { configOption, readHome } from './home.ts'

interface KeygenOptions {
  readonly type: KeyKind
  readonly name: string
  readonly out?: string
  readonly config?: string
}

/** `tarn bundle keygen`. */
export function bundleKeygenCommand(context: CommandContext): Command {
  return new Command('keygen')
    .description('make the key that signs bundles; prints the line for the far side’s auth/allowed_signers')
    .addOption(
      new Option('--type <type>', 'kind of key; sites under FIPS 140 take ecdsa or rsa')
        .choices(KEY_KINDS)
        .default('ed25519'),
    )
    .option('--name <name>', 'by which the far side knows the key', 'tarn')
    .option('--out <file>', 'where to write it (default: bundle.key beside the htpasswd file)')
    .addOption(configOption())
    .action((options: KeygenOptions, command: Command) => {
      keygen(options, command, context)
    })
}

function keygen({ type, name, out, ...options }: KeygenOptions, command: Command, context: CommandContext): void {
  if (!/^[\w.@+-]{1,64}$/.test(name)) {
    throw new Problem(`${JSON.stringify(name)} cannot be the name of a signer`, {
      hint: 'use letters, digits and . _ @ + -',
      exitCode: 2,
    })
  }
  const path = out === undefined ? join(authDirectory(readHome(options, command, context)), KEY_FILE) : resolve(out)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const made = makeBundleKey(path, type, name)
  const output = outputOf(command, context)
  output.note(`made ${path} (${made.fingerprint}): keep it secret, and keep a copy`)
  output.note('the far side adds this line to its auth/allowed_signers:')
  output.result(made, made.allowedSigner)
}
