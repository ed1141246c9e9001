// Opens what a person named as a place to put images into; what is there already is gone on with where that can be.
import { mkdir } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { Problem } from '../config/problem.ts'
import { openDirectoryTree } from './directory-tree.ts'
import { dirSource } from './dir-source.ts'
import { DIR_MODE, dirTarget } from './dir-target.ts'
import { dockerTarget } from './docker-target.ts'
import type { ImageTarget } from './image-target.ts'
import { isOciLayout } from './oci-source.ts'
import { ociTarget } from './oci-target.ts'
import type { Place } from './place.ts'
import { writeDirectory } from './write-directory.ts'
import { writeTar } from './write-tar.ts'

/** Throws a Problem for a kind that is only read, and for a file that is there. */
export async function openFileTarget(place: Place): Promise<ImageTarget> {
  const { kind, path, name: refName, text } = place
  switch (kind) {
    case 'oci':
      return openLayout(place)
    case 'oci-archive': {
      const named = refName !== undefined && { refName }
      return ociTarget({ writer: await writeTar(path), name: text, ...named })
    }
    case 'docker-archive':
      return dockerTarget(await writeTar(path), text)
    case 'dir': {
      await mkdir(path, { recursive: true })
      const before = existsSync(`${path}/v2`) ? await dirSource(await openDirectoryTree(path), text) : undefined
      return dirTarget(writeDirectory(path, { mode: DIR_MODE }), before, text)
    }
    default:
      throw new Problem(`${kind}: can be read and not written`, {
        hint: 'write oci:PATH, oci-archive:FILE, docker-archive:FILE, dir:PATH or data:PATH',
        exitCode: 2,
      })
  }
}

async function openLayout({ path, name, text }: Place): Promise<ImageTarget> {
  await mkdir(path, { recursive: true })
  const before = await openDirectoryTree(path)
  if (!(await isOciLayout(before)) && (await before.list('')).size > 0) {
    throw new Problem(`${path} is no OCI layout, and not empty`, { hint: 'name a directory that is either' })
  }
  return ociTarget({ writer: writeDirectory(path), before, name: text, ...(name !== undefined && { refName: name }) })
}
