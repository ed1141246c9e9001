// A release made for tests as `oc adm release mirror` leaves it: everything in one repository, under oc's tags.
import type { FixtureRelease } from '../fixtures/release.ts'
import type { PushTarget } from '../fixtures/release-push.ts'
import { pushImages } from '../fixtures/release-push.ts'

/** Pushes it into `repository`. */
export async function pushMirrored(release: FixtureRelease, repository: string, target: PushTarget): Promise<void> {
  const prefix = [...release.expectedTags('arch')].find(([, digest]) => digest === release.digest)?.[0] ?? ''
  const placed = [
    ...release.components.map(({ name, image }) => ({ repository, image, tags: [`${prefix}-${name}`] })),
    { repository, image: release.image, tags: [prefix] },
  ]
  await pushImages(placed, target)
}
