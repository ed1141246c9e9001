// What oc prints when it mirrored a release, for releases that came out of a directory: oc itself prints nothing then.
import type { Command } from 'commander'
import type { CopyReport } from '../exchange/copied-image.ts'
import type { ImageSource } from '../exchange/image-source.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { findPayload } from '../openshift/find-payload.ts'
import { formatMirrored, mirroredSources } from '../openshift/mirror-instructions.ts'
import { Given } from './cluster/given.ts'
import type { CommandContext } from './context.ts'

/** One text for each release whose image came in, or was here. */
export async function describeReleases(
  source: ImageSource,
  { images }: CopyReport,
  {
    options,
    command,
    context,
  }: { readonly options: { readonly config?: string }; readonly command: Command; readonly context: CommandContext },
): Promise<readonly string[]> {
  const texts: string[] = []
  for (const { from, to, tags, state } of images) {
    const [tag] = tags
    if (tag === undefined || state === 'failed') continue
    // oc names the components after their release.
    const parts = images.filter((image) => image.to === to && image.tags.some((other) => other.startsWith(`${tag}-`)))
    if (parts.length === 0) continue
    const [repository = '', sourceTag = ''] = from.split(':')
    const reference = { kind: 'tag', tag: sourceTag as Tag } as const
    const payload = await findPayload(source, { repository: repository as RepositoryName, reference }, from).catch(
      () => undefined,
    )
    if (payload === undefined) continue
    const host = nameRegistry(options, command, context)
    const prefix = `${host}/${to}`
    texts.push(
      formatMirrored({
        version: payload.version,
        to: prefix,
        image: `${prefix}:${tag}`,
        namedImage: false,
        sources: mirroredSources(payload, {}),
        instructions: 'auto',
      }),
    )
  }
  return texts
}

function nameRegistry(options: { readonly config?: string }, command: Command, context: CommandContext): string {
  try {
    return new Given(options, command, context).registry(undefined).name
  } catch {
    // The person knows.
    return 'REGISTRY:PORT'
  }
}
