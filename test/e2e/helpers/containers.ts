// The environment that keeps podman, buildah and skopeo away from the machine's own images, logins and
// settings: a storage, an auth file and a home of their own. The vfs driver needs nothing of the kernel.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine } from './machine.ts'

/** Makes a private storage; gives the environment that podman, buildah and skopeo are to run with. */
export async function makeContainerStorage(machine: Machine): Promise<Record<string, string>> {
  const folder = await machine.scratch('containers')
  const storage = join(folder, 'storage.conf')
  const settings = join(folder, 'containers.conf')
  const auth = join(folder, 'auth.json')
  await mkdir(join(folder, 'home'))
  await writeFile(storage, `[storage]\ndriver = "vfs"\ngraphroot = "${folder}/graph"\nrunroot = "${folder}/run"\n`)
  // podman asks for limits above what a root without CAP_SYS_RESOURCE may set.
  await writeFile(settings, '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
  // Without this file, podman stops with "stat auth.json: no such file".
  await writeFile(auth, '{}', { mode: 0o600 })
  return {
    CONTAINERS_STORAGE_CONF: storage,
    CONTAINERS_CONF: settings,
    REGISTRY_AUTH_FILE: auth,
    HOME: join(folder, 'home'),
    TMPDIR: folder,
  }
}
