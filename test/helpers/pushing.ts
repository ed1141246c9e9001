// What tests of pushing to a remote registry begin with: a client that does not wait long, and bytes with their digest.
import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { PushClient } from '../../src/upstream/push-client.ts'
import type { PushOptions } from '../../src/upstream/push-client.ts'
import { hashOf } from './digest.ts'
import { FAKE_CA, giveLogin } from './upstream.ts'

export interface PushTestOptions extends Partial<PushOptions> {
  readonly username?: string
  readonly password?: string
  /** Of each pause, in milliseconds. */
  readonly pauses?: number[]
}

/** A push client that ends with the test; its pauses are told to `pauses` and not waited for. */
export function openPush(t: Pick<Test, 'teardown'>, url: string, options: PushTestOptions = {}): PushClient {
  const { username, password = '', pauses = [], ...rest } = options
  const client = new PushClient({
    host: new URL(url).host,
    url,
    insecure: url.startsWith('http:'),
    ca: FAKE_CA,
    clock: Date.now,
    timeouts: { connect: 2000, headers: 3000, idle: 3000, whole: 5000 },
    breaker: { threshold: 100 },
    patience: {
      tries: 4,
      wait: async (milliseconds) => {
        pauses.push(milliseconds)
      },
    },
    ...(username !== undefined && { credentials: giveLogin(username, password) }),
    ...rest,
  })
  t.teardown(() => client.close())
  return client
}

export interface TestBlob {
  readonly digest: Digest
  readonly size: number
  readonly bytes: Buffer
  /** Gives the bytes in pieces of 64 KiB. */
  readonly open: (offset: number) => AsyncIterable<Uint8Array>
}

export function makeBlob(content: number | string): TestBlob {
  const bytes = typeof content === 'number' ? randomBytes(content) : Buffer.from(content)
  return {
    digest: parseDigest(hashOf(bytes)),
    size: bytes.length,
    bytes,
    open: async function* (offset) {
      for (let at = offset; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
    },
  }
}
