// `tarn cluster signatures`: the ConfigMaps by which a cluster without internet verifies a release before it updates.
import { Argument, Command } from 'commander'
import { Problem } from '../../config/problem.ts'
import type { Digest } from '../../oci/digest.ts'
import { isDigest } from '../../oci/digest.ts'
import { handOutSignatures } from '../../openshift/cluster/signature-config-maps.ts'
import { selectImages } from '../../registry/select.ts'
import type { Layout } from '../../storage/layout.ts'
import { readRepository } from '../../storage/read-repository.ts'
import { listSigned, readSignatures } from '../../storage/signatures.ts'
import { walkRepositories } from '../../storage/walk.ts'
import type { CommandContext } from '../context.ts'
import { configOption } from '../home.ts'
import type { GivenOptions } from './given.ts'
import { Given } from './given.ts'
import { deliver, outOption } from './handout.ts'

interface Options extends GivenOptions {
  readonly out?: string
}

const NOTHING = { onStray: () => undefined, onUnreadable: () => undefined }

export function signaturesCommand(context: CommandContext): Command {
  return new Command('signatures')
    .description('the ConfigMaps with the signatures of releases')
    .addArgument(new Argument('[release...]', 'REPOSITORY:TAG or a digest (default: all that are signed)'))
    .addOption(outOption())
    .addOption(configOption())
    .action(async (releases: string[], options: Options, command: Command) => {
      const { layout } = new Given(options, command, context)
      const digests = releases.length === 0 ? listSigned(layout) : releases.flatMap((text) => findDigests(layout, text))
      const signed = [...new Set(digests)].map((digest) => ({ digest, signatures: readSignatures(layout, digest) }))
      const lacking = signed.find(({ signatures }) => signatures.length === 0)
      if (signed.length === 0 || lacking !== undefined) {
        throw new Problem(`there is no signature of ${lacking?.digest ?? 'any release'} here`, {
          hint: 'fetch it with the release: tarn release mirror; or put it below .tarn/state/signatures',
        })
      }
      const handout = handOutSignatures(signed)
      const asText = [
        ...handout.commands.map((line) => `# ${line}`),
        handout.files.map(({ text }) => text).join('---\n'),
      ].join('\n')
      await deliver(handout, { ...options, asText }, command, context)
    })
}

function findDigests(layout: Layout, text: string): Digest[] {
  if (isDigest(text)) return [text]
  const selection = selectImages([text])
  const names = selection.names ?? [...walkRepositories(layout, NOTHING)]
  const found = names.flatMap((name) => {
    const wanted = selection.of(name)
    if (wanted.length === 0) return []
    return readRepository(layout, name, NOTHING)
      .tags.filter(({ tag }) => wanted.some((each) => each.kind === 'repository' || each.matchesTag(tag)))
      .flatMap(({ target }) => target ?? [])
  })
  // Beside its releases a repository holds their components, which nobody signs.
  const signed = found.length > 1 ? found.filter((digest) => readSignatures(layout, digest).length > 0) : found
  if (found.length > 0) return signed
  throw new Problem(`there is no ${text} here`, { hint: 'see what is: tarn ls --tags' })
}
