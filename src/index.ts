// Tarn as a library: a registry as a Fastify instance, or inside one. See docs/embedding.md.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { buildRegistry } from './app.ts'
import { resolveConfig } from './config/load.ts'
import type { Config, ConfigInput } from './config/schema.ts'

export type { Config, ConfigInput }

export interface RegistryOptions {
  /** What differs from the defaults: the tree of config.yml as an object, times in milliseconds. */
  readonly config?: ConfigInput
  /** An instance to register into; its owner listens, closes, and brings TLS. */
  readonly fastify?: FastifyInstance
  /**
   * An existing directory outside the data directory, as that of config.yml is: relative paths of `mirror` begin there, and
   * it keeps the id by which this registry knows what it mirrored itself (docs/mirror.md).
   */
  readonly home?: string
  /** Where the log goes; without it nothing is logged. */
  readonly logger?: FastifyBaseLogger
}

/**
 * Makes a registry. The instance does not listen yet: call `listen` on it. `close` ends it and frees the
 * lock of its data directory. Throws an Error that names the key for a wrong configuration, and one with a
 * `hint` for a directory or file that cannot be used.
 */
export async function createRegistry(options: RegistryOptions = {}): Promise<FastifyInstance> {
  const { config = {}, fastify, home, logger } = options
  return buildRegistry(resolveConfig(config), { fastify, home, logger })
}
