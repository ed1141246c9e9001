// How commands put images into the registry of their home: through its socket where it runs, else into the directory.
import type { ImageSource } from '../exchange/image-source.ts'
import type { ImageTarget } from '../exchange/image-target.ts'
import { registrySource } from '../exchange/registry-source.ts'
import { registryTarget } from '../exchange/registry-target.ts'
import { storeSource } from '../exchange/store-source.ts'
import { storeTarget } from '../exchange/store-target.ts'
import { PushClient } from '../upstream/push-client.ts'
import { UpstreamClient } from '../upstream/client.ts'
import type { Reached } from './reach.ts'

const NAME = 'this registry'
const MOST_WAITING = 100

/** Closing it leaves `reached` open. */
export function openTarget({ images }: Pick<Reached, 'images'>, clock: () => number): ImageTarget {
  if ('context' in images) return storeTarget(images.context, NAME)
  const options = { host: NAME, socketPath: images.socketPath, clock }
  const reader = registrySource({ client: new UpstreamClient(options) })
  // Who copies says how many blobs at a time; those that wait for the others of their image are more.
  return registryTarget({ client: new PushClient({ ...options, concurrency: MOST_WAITING }), reader, name: NAME })
}

/** What is in the registry of the home, to read. Closing it leaves `reached` open. */
export function openHere({ images }: Pick<Reached, 'images'>, clock: () => number): ImageSource {
  if ('context' in images) return storeSource(images.context, NAME)
  return registrySource({
    client: new UpstreamClient({ host: NAME, socketPath: images.socketPath, clock }),
    name: NAME,
  })
}
