// The routes of the admin API for releases of OpenShift: look, verify, mirror.
import Type from 'typebox'
import type { Static } from 'typebox'
import { Problem } from '../../config/problem.ts'
import type { SyncRegistry } from '../../config/sync-file.ts'
import type { Progress } from '../../registry/collect.ts'
import { INSTRUCTIONS } from '../../openshift/mirror-instructions.ts'
import { parseReleaseImage, parseReleaseName, parseReleaseTarget } from '../../openshift/release-reference.ts'
import { TAG_STYLES } from '../../openshift/release-tags.ts'
import type { ReleaseAsk } from '../../openshift/releases.ts'
import { refuse } from './check-options.ts'
import { InfoReportSchema, MirrorReleaseSchema, VerifyReportSchema } from './release-reports.ts'
import { route } from './route.ts'

const closed = { additionalProperties: false } as const
const optional = Type.Optional
const text = (description: string) => Type.String({ minLength: 1, maxLength: 4096, description })
const flag = (description: string) => optional(Type.Boolean({ default: false, description }))
const texts = (description: string) => optional(Type.Array(text(''), { description, maxItems: 16 }))

const common = {
  from: text(
    'the release: an image with its registry, an image of this registry, or dir:PATH, bundle:PATH, data:PATH on the local socket',
  ),
  image: optional(text('which image of an archive it is: REPOSITORY:TAG')),
  stores: texts('stores of signatures beside those that its payload names'),
  authFile: optional(text('logins in docker’s form, a file of the server’s machine: on the local socket only')),
  ca: optional(text('certificates of an authority, a file of the server’s machine: on the local socket only')),
  insecure: texts('registries whose certificates are not verified'),
  plainHttp: texts('registries that speak plain HTTP'),
}
const style = optional(
  Type.Enum([...TAG_STYLES], { default: 'auto', description: 'with the architecture, or without it' }),
)
const requireSignature = flag('refuse what is not verified, also what says nothing of how')

const InfoOptions = Type.Object(common, closed)
const VerifyOptions = Type.Object(
  { ...common, style, requireSignature, fast: flag('look for manifests only, and read no blob') },
  closed,
)
const MirrorOptions = Type.Object(
  {
    ...common,
    to: text('the repository here; a repository of another registry; or dir:PATH on the local socket'),
    releaseImage: optional(text('where the release image goes: REPOSITORY:TAG, or a tag')),
    host: text('this registry as clients name it'),
    style,
    requireSignature,
    instructions: optional(Type.Enum([...INSTRUCTIONS], { default: 'auto' })),
    dryRun: flag('tell what there is to copy, and copy nothing'),
  },
  closed,
)

type Common = Static<typeof InfoOptions>

const never = (): boolean => false
const localOnly = ({ from, authFile, ca, ...rest }: Common & { readonly to?: string }): string | undefined =>
  [from, rest.to ?? ''].some((name) => /^(?:dir|data|bundle):/.test(name)) || authFile !== undefined || ca !== undefined
    ? 'it names files of the server’s machine: use the local socket, as tarn does'
    : undefined

export const RELEASE_ROUTES = {
  'POST /release/info': route({
    action: 'admin',
    summary: 'what the payload of a release of OpenShift says',
    body: InfoOptions,
    report: InfoReportSchema,
    long: true,
    changes: never,
    localOnly,
    act: async ({ parts, body, emit }) => parts.releases().info(readAsk(body, emit)),
  }),
  'POST /release/verify': route({
    action: 'admin',
    summary: 'whether everything of a release of OpenShift is there, whole and signed',
    body: VerifyOptions,
    report: VerifyReportSchema,
    long: true,
    changes: never,
    localOnly,
    act: async ({ parts, body, emit }) => {
      const { style = 'auto', fast = false, requireSignature = false } = body
      return parts.releases().verify({ ...readAsk(body, emit), style, fast, requireSignature })
    },
  }),
  'POST /release/mirror': route({
    action: 'admin',
    summary: 'mirror a release of OpenShift with its signatures',
    body: MirrorOptions,
    report: MirrorReleaseSchema,
    long: true,
    changes: ({ dryRun = false }) => !dryRun,
    localOnly,
    act: async ({ parts, body, emit }) => {
      const {
        to,
        releaseImage,
        host,
        style = 'auto',
        instructions = 'auto',
        dryRun = false,
        requireSignature = false,
      } = body
      const wish = { to, releaseImage, host, style, instructions, dryRun, requireSignature }
      return parts.releases().mirror({ ...readAsk(body, emit), ...wish })
    },
  }),
}

/** Throws 400 for names that cannot be read. */
export function checkReleaseNames(options: unknown): void {
  type Names = Partial<Record<'from' | 'image' | 'to' | 'releaseImage' | 'host', string>>
  const { from, image, to, releaseImage, host = '' } = options as Names
  try {
    if (from !== undefined) parseReleaseName(from, image)
    const target = to === undefined ? undefined : parseReleaseTarget(to)
    if (target !== undefined && releaseImage !== undefined) parseReleaseImage(releaseImage, target, host)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    throw refuse(`${error.message} (${error.hint})`)
  }
}

function readAsk(body: Common, emit: (progress: Progress) => void): ReleaseAsk {
  const { from, image, stores, authFile, ca, insecure = [], plainHttp = [] } = body
  const registries = new Map<string, SyncRegistry>()
  const files = { ...(authFile !== undefined && { credentials: { authFile } }), ...(ca !== undefined && { ca }) }
  for (const name of [from, (body as { to?: string }).to ?? '']) {
    const [host = ''] = name.split('/')
    if (Object.keys(files).length > 0 && /[.:]|^localhost$/.test(host)) registries.set(host, files)
  }
  for (const host of insecure) registries.set(host, { ...registries.get(host), insecure: true })
  for (const host of plainHttp)
    registries.set(host, { ...registries.get(host), insecure: true, url: [`http://${host}`] })
  return { from, image, stores, registries, onProgress: emit }
}
