// Which images of a source come in, and under which names. Pure.
import { Problem } from '../config/problem.ts'
import { WELL_KNOWN } from '../config/well-known.ts'
import { compileGlob } from '../oci/glob.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import type { KnownUpstreams } from '../mirror/sync/destination.ts'
import { mirrorPathOf } from '../mirror/sync/destination.ts'
import type { ImageToCopy } from './copied-image.ts'
import type { SourceImage } from './image-source.ts'

export interface ImportWish {
  /** Globs over `repository:tag`, `repository` or a tag alone; none means everything. */
  readonly only: readonly string[]
  /** `REPO`, `REPO:TAG`, or `PREFIX/`; without it the names of the source. */
  readonly to: string | undefined
  /** The source, for messages. */
  readonly source: string
  readonly upstreams: KnownUpstreams
}

/** Throws a Problem when nothing is meant, or when it is not clear where something goes. */
export function planImport(images: readonly SourceImage[], wish: ImportWish): readonly ImageToCopy[] {
  const globs = wish.only.map((glob) => compileGlob(glob))
  const meant = images.filter((image) => isMeant(image, globs))
  if (meant.length === 0) {
    const what = images.length === 0 ? 'has no images' : `has no image that ${wish.only.join(' or ')} means`
    throw new Problem(`${wish.source} ${what}`, { hint: describeNames(images) })
  }
  const name = makeNaming(meant, wish)
  return meant.map((image) => {
    const { repository, tag, digest } = image
    const to = name(image)
    const reference = tag === undefined ? ({ kind: 'digest', digest } as const) : ({ kind: 'tag', tag } as const)
    return { from: { repository, reference }, to }
  })
}

function describeNames(images: readonly SourceImage[]): string {
  if (images.length === 0) return 'see how it was made'
  const names = images.slice(0, 5).map((image) => textOf(image))
  return `it has ${names.join(', ')}${images.length > names.length ? `, and ${images.length - names.length} more` : ''}`
}

function textOf({ repository, tag, digest }: SourceImage): string {
  return `${repository ?? ''}${tag === undefined ? `@${digest}` : `${repository === undefined ? '' : ':'}${tag}`}`
}

function isMeant(image: SourceImage, globs: readonly ((text: string) => boolean)[]): boolean {
  const { repository = '', tag = '', host } = image
  const names = [
    repository,
    `${repository}:${tag}`,
    ...(host === undefined ? [] : [`${host}/${repository}:${tag}`]),
    tag,
  ]
  return globs.length === 0 || globs.some((matches) => names.some((text) => text !== '' && matches(text)))
}

type Naming = (image: SourceImage) => ImageToCopy['to']

function makeNaming(images: readonly SourceImage[], { to, source, upstreams }: ImportWish): Naming {
  const own = (image: SourceImage): RepositoryName => ownName(image, source, upstreams)
  if (to === undefined) return (image) => ({ repository: own(image), tags: tagsOf(image) })
  if (to.endsWith('/')) {
    return (image) => ({ repository: check(`${to}${own({ ...image, host: 'localhost' })}`), tags: tagsOf(image) })
  }
  const colon = to.indexOf(':')
  const repository = check(colon === -1 ? to : to.slice(0, colon))
  const repositories = new Set(images.map((image) => image.repository))
  if (repositories.size > 1) {
    throw new Problem(`${source} has ${repositories.size} repositories, and ${to} is one`, {
      hint: `say ${repository}/ to put all of them below it, or choose with --only`,
      exitCode: 2,
    })
  }
  if (colon === -1) return (image) => ({ repository, tags: tagsOf(image) })
  const tag = to.slice(colon + 1)
  if (!isTag(tag)) throw new Problem(`${JSON.stringify(tag)} is no tag`, { hint: 'write REPO:TAG', exitCode: 2 })
  if (new Set(images.map(({ digest }) => digest)).size > 1) {
    throw new Problem(`${source} has ${images.length} images, and ${to} is one`, {
      hint: 'leave the tag away, or choose one with --only',
      exitCode: 2,
    })
  }
  return () => ({ repository, tags: [tag] })
}

function tagsOf({ tag }: SourceImage): readonly Tag[] {
  return tag === undefined ? [] : [tag]
}

// Of a registry that people mirror, it is the place where a pull through the mirror would find it, so that both are one
// image; the name of any other registry says where somebody's copy was, and nothing of where this one belongs.
function ownName(
  { host, repository, tag, digest }: SourceImage,
  source: string,
  upstreams: KnownUpstreams,
): RepositoryName {
  if (repository === undefined) {
    throw new Problem(`${source} does not say the repository of its image ${tag ?? digest}`, {
      hint: 'say where it goes: tarn import SOURCE REPO',
      exitCode: 2,
    })
  }
  const isKnown = [...WELL_KNOWN, ...upstreams].some((known) => known.host === host)
  const path = host === undefined || !isKnown ? '' : mirrorPathOf(host, upstreams)
  return check(path === '' ? repository : `${path}/${repository}`)
}

function check(name: string): RepositoryName {
  if (isRepositoryName(name)) return name
  throw new Problem(`${JSON.stringify(name)} is no name of a repository`, {
    hint: 'lower-case letters, digits and single . _ - between them, parts separated by /',
    exitCode: 2,
  })
}
