// The rules of the configuration as the use cases ask for them.
import { compilePattern } from '../config/pattern.ts'
import type { Config } from '../config/schema.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Rules } from './context.ts'

/** Makes the rules; `readOnly` says why nothing may be written now, if so. */
export function makeRules(config: Config, readOnly: () => string | undefined): Rules {
  const { validation } = config
  return {
    deleteEnabled: config.storage.delete.enabled,
    readOnly,
    requiresWhole: !validation.disabled,
    allowsUrl: validation.disabled ? undefined : makeUrlRule(validation.manifests.urls),
    requiresChild: validation.disabled ? () => false : makeChildRule(validation.manifests.indexes),
  }
}

function makeUrlRule({ allow, deny }: Config['validation']['manifests']['urls']): Rules['allowsUrl'] {
  if (allow.length === 0 && deny.length === 0) return undefined
  const compile = (texts: readonly string[]): RegExp[] =>
    texts.map(compilePattern).filter((pattern) => pattern !== undefined)
  const [allowed, denied] = [compile(allow), compile(deny)]
  return (url) =>
    (allow.length === 0 || allowed.some((pattern) => pattern.test(url))) && !denied.some((pattern) => pattern.test(url))
}

// distribution's `validation.manifests.indexes.platforms`: which children of an index must be here.
function makeChildRule(indexes: Config['validation']['manifests']['indexes']): (child: Descriptor) => boolean {
  if (indexes.platforms === 'all') return () => true
  if (indexes.platforms === 'none') return () => false
  return ({ platform }) =>
    indexes.platformlist.some(({ architecture, os }) => platform?.architecture === architecture && platform?.os === os)
}

/** Why nothing may be written: `maintenance` says that the configuration wants it so. */
export function describeReadOnly(maintenance: boolean): string {
  return maintenance
    ? 'the registry is read-only: storage.maintenance.readonly is enabled'
    : 'the registry is read-only: another process keeps its data directory, or it cannot be written'
}
