// Descriptors (image-spec "OCI Content Descriptors") and the platform that a list's children carry. What is
// made here has a checked digest; nothing else of it may be trusted to be true of the content.
import type { Digest } from './digest.ts'
import { algorithmOf, digestOf, isDigest } from './digest.ts'
import { registryError } from './errors.ts'
import type { Fields, Place } from './field.ts'
import { nameFields, openFields, readString, readStringMap, readStrings, rejectValue, stepInto } from './field.ts'
import { quoteText } from './json.ts'

/** image-spec "Image Index", `platform`; `features` is Docker's. Absent names are ''. */
export interface Platform {
  readonly architecture: string
  readonly os: string
  readonly 'os.version'?: string
  readonly 'os.features'?: readonly string[]
  readonly variant?: string
  readonly features?: readonly string[]
}

export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** In bytes; 0 where a stored schema 1 manifest does not say. */
  readonly size: number
  readonly urls?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly artifactType?: string
  readonly platform?: Platform
  /** The content itself in base64; checked against digest and size when pushed. */
  readonly data?: string
}

const DESCRIPTOR = nameFields('mediaType', 'digest', 'size', 'urls', 'annotations', 'artifactType', 'platform', 'data')
const PLATFORM = nameFields('architecture', 'os', 'os.version', 'os.features', 'variant', 'features')

/**
 * Reads one descriptor. Strict: throws MANIFEST_INVALID for a wrong shape, and DIGEST_INVALID or SIZE_INVALID for
 * a well-formed one that is untrue: oc and containers/image convert and push again on MANIFEST_INVALID, which
 * can only hide such a fault. Tolerant: undefined when there is no digest that the registry could serve.
 */
export function readDescriptor(place: Place, value: unknown): Descriptor | undefined {
  const fields = openFields(place, value, DESCRIPTOR)
  if (fields === undefined) return undefined
  const mediaType =
    readString(place, fields, 'mediaType') ?? rejectValue(stepInto(place, 'mediaType'), 'is missing') ?? ''
  const digest = readDigest(place, fields, 'digest')
  const size = readSize(place, fields) ?? 0
  if (digest === undefined) return undefined
  const urls = readStrings(place, fields, 'urls')
  const annotations = readStringMap(place, fields, 'annotations')
  const artifactType = readString(place, fields, 'artifactType')
  const platform = readPlatform(stepInto(place, 'platform'), fields['platform'] ?? undefined)
  const data = readString(place, fields, 'data')
  const descriptor: Descriptor = {
    mediaType,
    digest,
    size,
    ...(urls && { urls }),
    ...(annotations && { annotations }),
    ...(artifactType !== undefined && { artifactType }),
    ...(platform && { platform }),
    ...(data !== undefined && { data }),
  }
  if (place.strictness === 'strict') checkData(stepInto(place, 'data'), descriptor)
  return descriptor
}

/** Reads a digest; a pushed one that is malformed or of another algorithm is DIGEST_INVALID. */
export function readDigest(place: Place, fields: Fields, name: string): Digest | undefined {
  const inside = stepInto(place, name)
  const text = readString(place, fields, name) ?? rejectValue(inside, 'is missing')
  if (text === undefined || isDigest(text)) return text
  if (place.strictness === 'tolerant') return undefined
  throw registryError('DIGEST_INVALID', {
    message: `invalid digest: ${inside.path} is ${quoteText(text)}, not a sha256 or sha512 digest`,
  })
}

function readSize(place: Place, fields: Fields): number | undefined {
  const size = fields['size']
  // Adding 0 makes 0 of JSON's -0, which compares alike and prints otherwise.
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size + 0
  return rejectValue(stepInto(place, 'size'), 'must be a whole number of bytes, 0 to 2^53-1')
}

function readPlatform(place: Place, value: unknown): Platform | undefined {
  if (value === undefined) return undefined
  const fields = openFields(place, value, PLATFORM)
  if (fields === undefined) return undefined
  const version = readString(place, fields, 'os.version')
  const osFeatures = readStrings(place, fields, 'os.features')
  const variant = readString(place, fields, 'variant')
  const features = readStrings(place, fields, 'features')
  return {
    architecture: readString(place, fields, 'architecture') ?? '',
    os: readString(place, fields, 'os') ?? '',
    ...(version !== undefined && { 'os.version': version }),
    ...(osFeatures && { 'os.features': osFeatures }),
    ...(variant !== undefined && { variant }),
    ...(features && { features }),
  }
}

function checkData(place: Place, { data, digest, size }: Descriptor): void {
  if (data === undefined) return
  const content = Buffer.from(data, 'base64')
  // Buffer skips what is not base64; only a round trip shows that nothing was skipped.
  if (content.toString('base64') !== data) rejectValue(place, 'must be base64 with padding')
  if (content.length !== size)
    throw registryError('SIZE_INVALID', {
      message: `${place.path} holds ${content.length} bytes, its size says ${size}`,
    })
  if (digestOf(content, algorithmOf(digest)) !== digest)
    throw registryError('DIGEST_INVALID', {
      message: `${place.path} does not have the digest ${digest}`,
    })
}
