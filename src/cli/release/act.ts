// Carries out an act on a release: through the running registry or in its directory where that takes part, else in this
// process alone.
import { readSigners, signersPath } from '../../bundle/trust.ts'
import { formatImageSource } from '../../config/image-source.ts'
import { Problem } from '../../config/problem.ts'
import { prepareCall } from '../../http/api/routes.ts'
import type { OptionsOf, ReportOf } from '../../http/api/routes.ts'
import type { ActEvent, ApiParts } from '../../http/api/given.ts'
import { openReleases } from '../../openshift/open-releases.ts'
import { chooseRelease, fetchGraph } from '../../openshift/update-graph.ts'
import { RegistryError } from '../../oci/errors.ts'
import { openFetcher } from '../../upstream/fetch-small.ts'
import type { CommandContext } from '../context.ts'
import type { Home } from '../home.ts'
import { directoryOf, openOwnOutward, outwardParts } from '../outward.ts'
import { reach } from '../reach.ts'
import type { ReleaseOptions } from './options.ts'

export type ReleaseRoute = 'POST /release/info' | 'POST /release/verify' | 'POST /release/mirror'

export interface Act<Name extends ReleaseRoute> {
  readonly name: Name
  readonly options: OptionsOf<Name>
  /** Whether this registry is read or written. */
  readonly local: boolean
  readonly changes: boolean
  readonly onEvent: (event: ActEvent) => void
}

/** Throws what is wrong for a person to read. */
export async function actOnRelease<Name extends ReleaseRoute>(
  { name, options, local, changes, onEvent }: Act<Name>,
  home: Home,
  context: CommandContext,
): Promise<ReportOf<Name>> {
  if (local) {
    const reached = await reach(home, context, { removes: changes })
    try {
      return await reached.call(name, options, onEvent)
    } finally {
      await reached.close()
    }
  }
  const outward = openOwnOutward(home, context)
  const signers = () => readSigners(signersPath(home.config, directoryOf(home)))
  const releases = openReleases({ ...outwardParts(context), context: undefined, outward, signers })
  try {
    // Nothing else of them is asked for by these acts.
    return (await prepareCall(name, options).act({ releases: () => releases } as ApiParts, onEvent)) as ReportOf<Name>
  } catch (error) {
    if (!(error instanceof RegistryError) || error.status !== 400) throw error
    throw new Problem(error.message, { exitCode: 2, cause: error })
  }
}

/** The image that is meant: as it is named, or by a channel of the update service. */
export async function findRelease(from: string | undefined, options: ReleaseOptions, home: Home): Promise<string> {
  const { channel = '', releaseVersion: version = '', arch, graphUrl } = options
  if (from !== undefined) return from
  if (home.config.mirror?.offline === true) {
    throw new Problem('the update service cannot be asked: this registry is offline, by its configuration', {
      hint: 'name the release by its image, or let the registry go online',
    })
  }
  const fetcher = openFetcher({ reach: 'anywhere' })
  try {
    const releases = await fetchGraph(fetcher, { channel, arch, url: graphUrl })
    const { payload } = chooseRelease(releases, version, channel)
    return formatImageSource(payload)
  } finally {
    await fetcher.close()
  }
}
