// Repository names (distribution-spec "Pulling manifests"). The grammar forbids a leading "_", "." and
// "-" in every component, so a name can never mean one of the store's own directories.
import { registryError } from './errors.ts'

export type RepositoryName = string & { readonly __brand: 'RepositoryName' }

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const LONGEST = 255

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= LONGEST && text.split('/').every((component) => COMPONENT.test(component))
}

/** Takes text from outside; throws NAME_INVALID unless it is a repository name of at most 255 characters. */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text
  throw registryError('NAME_INVALID', {
    message:
      text.length > LONGEST
        ? `invalid repository name: longer than ${LONGEST} characters`
        : 'invalid repository name: use lower-case letters, digits and single separators ". _ __ -" between "/"',
  })
}
