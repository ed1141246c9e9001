// The small directories on which commands are killed: one in which a collection finds each kind of work, and one in which
// a repair does. Everything that is owed in them is told, so that it can be asked for after each kill.
import { copyFileSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { TYPES, describe } from '../durability/push.ts'
import type { BuiltImage } from './files.ts'
import {
  blobFile,
  buildImage,
  buildIndex,
  layerLink,
  put,
  putBlob,
  putImage,
  putManifest,
  repositoryFolder,
  revisionLink,
  tagFolder,
} from './files.ts'
import type { Image } from './promised.ts'

/** What must be pullable from a repository, whatever happens. */
export interface Owed {
  readonly repository: string
  readonly image: Image
  readonly tag?: string
}

const make = (note: string, ...layers: string[]): BuiltImage =>
  buildImage(
    Buffer.from(JSON.stringify({ os: 'linux', note })),
    layers.map((layer) => Buffer.from(`layer ${layer}`)),
  )

/** Tagged, untagged and emptied; loose links and blobs; what lies in the trash rightly and wrongly; left-over directories. */
export function makeCollectable(data: string): Owed[] {
  const [app, amd64, arm64] = [make('app', 'a', 'b'), make('amd64', 'a', 'c'), make('arm64', 'a', 'd')]
  const index = buildIndex([amd64.image, arm64.image], 'fleet')
  const note = buildImage(Buffer.from('{}'), [Buffer.from('signature')], describe(TYPES.manifest, app.image.bytes))
  putImage(data, 'keep/app', app, 'v1')
  for (const child of [amd64, arm64]) putImage(data, 'keep/app', child)
  putManifest(data, 'keep/app', index, 'fleet')
  putImage(data, 'keep/app', note)

  // A tag that moved, an untagged list, loose links.
  putImage(data, 'mixed/app', make('old', 'e', 'f'), 'latest')
  putImage(data, 'mixed/app', app, 'latest')
  const [left, right] = [make('left', 'g'), make('right', 'h')]
  for (const child of [left, right]) putImage(data, 'mixed/app', child)
  putManifest(data, 'mixed/app', buildIndex([left.image, right.image], 'nobody'))
  put(layerLink(data, 'mixed/app', putBlob(data, Buffer.from('loose link'))), putBlob(data, Buffer.from('loose link')))

  // Nothing of these is left in the end.
  putImage(data, 'gone/far/app', make('gone', 'a', 'i'))
  put(
    layerLink(data, 'gone/blobs', putBlob(data, Buffer.from('only a link'))),
    putBlob(data, Buffer.from('only a link')),
  )
  for (const loose of ['one', 'two']) putBlob(data, Buffer.from(`nobody's ${loose}`))
  const rubbish = putBlob(data, Buffer.from('in the trash'))
  move(data, rubbish)
  // A collection was wrong about this one, or a tar came after it.
  move(data, app.image.blobs[1]?.digest ?? '')
  mkdirSync(dirname(layerLink(data, 'keep/app', `sha256:${'0'.repeat(64)}`)), { recursive: true })
  mkdirSync(join(tagFolder(data, 'keep/app', 'dead'), 'current'), { recursive: true })
  mkdirSync(dirname(blobFile(data, `sha256:${'1'.repeat(64)}`)), { recursive: true })
  mkdirSync(join(repositoryFolder(data, 'empty'), '_layers/sha256'), { recursive: true })
  return [
    { repository: 'keep/app', image: app.image, tag: 'v1' },
    ...[amd64, arm64, note].map(({ image }) => ({ repository: 'keep/app', image })),
    { repository: 'keep/app', image: index, tag: 'fleet' },
    { repository: 'mixed/app', image: app.image, tag: 'latest' },
  ]
}

/** Puts the blob into the trash. */
function move(data: string, digest: string): void {
  renameSync(blobFile(data, digest), blobFile(data, digest, 'trashed'))
}

/**
 * Wrong and lost blobs of which there is another copy (in the trash, in the quarantine, in the directory `source`) or
 * none, torn links of each kind, a link that leads nowhere.
 */
export function makeRepairable(data: string, source: string): Owed[] {
  const whole = make('whole', 'w')
  putImage(data, 'keep/app', whole, 'v1')
  const images = ['trash', 'quarantine', 'source', 'torn'].map((note) => make(note, `${note} layer`, 'shared'))
  for (const [at, built] of images.entries()) {
    for (const place of [data, source]) putImage(place, 'mend/app', built, `v${at}`)
  }
  const [trash, quarantine, lost, torn] = images as [BuiltImage, BuiltImage, BuiltImage, BuiltImage]

  const layerOf = ({ image }: BuiltImage): string => image.blobs[1]?.digest ?? ''
  copyFileSync(blobFile(data, layerOf(trash)), blobFile(data, layerOf(trash), 'trashed'))
  writeFileSync(blobFile(data, layerOf(trash)), 'rot')
  const aside = join(data, '.tarn/quarantine', `${layerOf(quarantine).replace(':', '-')}.1700000000000`)
  mkdirSync(dirname(aside), { recursive: true })
  renameSync(blobFile(data, layerOf(quarantine)), aside)
  rmSync(blobFile(data, layerOf(lost)))
  truncateSync(blobFile(data, lost.image.digest), 50)
  writeFileSync(blobFile(data, lost.image.blobs[0]?.digest ?? ''), 'rot')

  truncateSync(layerLink(data, 'mend/app', layerOf(torn)), 0)
  truncateSync(revisionLink(data, 'mend/app', torn.image.digest), 30)
  truncateSync(join(tagFolder(data, 'mend/app', 'v3'), 'current/link'), 0)

  // Nobody has these: the one is set aside, the other's link is removed.
  const rotten = putBlob(data, Buffer.from('about to rot'))
  put(layerLink(data, 'mend/app', rotten), rotten)
  writeFileSync(blobFile(data, rotten), 'rotten')
  const nowhere = `sha256:${'2'.repeat(64)}`
  put(layerLink(data, 'mend/app', nowhere), nowhere)
  return [
    { repository: 'keep/app', image: whole.image, tag: 'v1' },
    ...images.map(({ image }, at) => ({ repository: 'mend/app', image, tag: `v${at}` })),
  ]
}
