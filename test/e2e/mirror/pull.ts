// Pulls an image over HTTP as clients do, manifest first, and checks every byte.
import type { Image } from './images.ts'
import { fetchWhole } from './fetch.ts'

/** Pulls manifest, config and layers by `reference`; throws unless all of it is what was pushed upstream. */
export async function pullWhole(base: string, repository: string, reference: string, image: Image): Promise<void> {
  const manifest = await fetchWhole(`${base}/v2/${repository}/manifests/${reference}`)
  if (manifest.status !== 200 || manifest.digest !== image.manifest.digest)
    throw new Error(`${repository}:${reference} is ${manifest.status} ${manifest.digest}: ${manifest.body.toString()}`)
  for (const { digest } of [image.config, ...image.layers]) await pullBlob(base, repository, digest)
}

/** Pulls a blob; throws unless it comes whole. */
export async function pullBlob(base: string, repository: string, digest: string): Promise<void> {
  const blob = await fetchWhole(`${base}/v2/${repository}/blobs/${digest}`)
  if (blob.status !== 200 || blob.digest !== digest)
    throw new Error(`${digest} of ${repository} came as ${blob.status}, ${blob.size} bytes of ${blob.digest}`)
}
