// The images that a cluster uses, out of whatever somebody could print: a list, pods, nodes, the cluster's version, the
// references of a release. Pure.
import { formatImageSource, parseImageSource } from '../../config/image-source.ts'
import type { ImageSource } from '../../config/image-source.ts'
import { isObject, readDocuments } from './objects.ts'

export type UsedImage = ImageSource & { readonly repository: NonNullable<ImageSource['repository']> }

const DEEPEST = 32
// What containers of Kubernetes write in front of imageID.
const RUNTIME = /^(?:docker-pullable|docker|containerd|cri-o):\/\//

/**
 * All images that a text names, each once, in order. A list has one a line (what stands behind a blank is left out, `#` begins
 * a comment); in JSON and YAML every string counts that is an image with registry and digest, and under the key `image`
 * one with a tag too.
 */
export function readUsedImages(text: string, source: string): UsedImage[] {
  const found = new Map<string, UsedImage>()
  const add = (word: string, tagsCount: boolean): void => {
    const image = parseImageSource(word.replace(RUNTIME, ''))
    if (image?.repository === undefined || (image.digest === undefined && (!tagsCount || image.tag === undefined)))
      return
    found.set(formatImageSource(image), { ...image, repository: image.repository })
  }
  if (isList(text)) {
    for (const line of text.split('\n')) add(line.trim().split(/\s/)[0] ?? '', true)
  } else {
    for (const document of readDocuments(text, source)) walk(document, '', 0, add)
  }
  return [...found.values()]
}

function isList(text: string): boolean {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  return lines.every((line) => /^[^\s{}[\]"']+\/[^\s{}[\]"']+/.test(line) && !/^[\w.-]+:(?:\s|$)/.test(line))
}

function walk(value: unknown, key: string, depth: number, add: (word: string, tagsCount: boolean) => void): void {
  if (depth > DEEPEST) return
  if (typeof value === 'string') add(value, key === 'image')
  else if (Array.isArray(value)) for (const each of value) walk(each, key, depth + 1, add)
  else if (isObject(value)) for (const [name, each] of Object.entries(value)) walk(each, name, depth + 1, add)
}
