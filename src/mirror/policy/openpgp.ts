// OpenPGP signed messages: what stands in one, and whether a key of a keyring signed it. As gpg and the verifiers of
// containers/image and OpenShift judge them: a key counts when it was good at the time of the signature. The only file
// that knows the package openpgp.
import type { Key, PartialConfig } from 'openpgp'
import { readKeys, readMessage, verify } from 'openpgp'

/** What was signed, by whom and when. */
export interface SignedContent {
  readonly content: Buffer
  /** The id of the key that signed, 16 hexadecimal digits in upper case. */
  readonly keyId: string
  readonly signedAt: Date | undefined
}

/** Why a message or keyring could not be used, or that nobody of the keyring signed it. */
export class OpenPgpError extends Error {
  override readonly name = 'OpenPgpError'
}

const LARGEST_CONTENT = 1024 * 1024

const CONFIG: PartialConfig = {
  maxDecompressedMessageSize: LARGEST_CONTENT,
  // Keys from before 2010 say nothing of what they are for, and gpg takes them.
  allowMissingKeyFlags: true,
  // The owner of a key may have made its self-signature anew since.
  allowInsecureVerificationWithReformattedKeys: true,
}
const ARMOR = '-----BEGIN PGP PUBLIC KEY BLOCK-----'

/** The keys of a keyring: one or more armored blocks, or binary. Throws an OpenPgpError when there is none. */
export async function readKeyring(keyring: Uint8Array | string): Promise<readonly Key[]> {
  const text = typeof keyring === 'string' ? keyring : Buffer.from(keyring).toString('latin1')
  const blocks = text.split(ARMOR).slice(1)
  const keys: Key[] = []
  try {
    if (blocks.length === 0) {
      const binaryKeys = typeof keyring === 'string' ? Buffer.from(keyring, 'latin1') : keyring
      keys.push(...(await readKeys({ binaryKeys, config: CONFIG })))
    }
    for (const block of blocks) keys.push(...(await readKeys({ armoredKeys: `${ARMOR}${block}`, config: CONFIG })))
  } catch (cause) {
    throw new OpenPgpError(`the keyring cannot be read (${(cause as Error).message})`, { cause })
  }
  if (keys.length === 0) throw new OpenPgpError('the keyring holds no key')
  return keys
}

/**
 * Opens a binary signed message (`gpg --sign`) and gives what was signed, if a key of `keys` signed it by `now`. Throws an
 * OpenPgpError for anything else: what is not signed by one of them must not be looked at.
 */
export async function openSigned(message: Uint8Array, keys: readonly Key[], now: Date): Promise<SignedContent> {
  const reasons: string[] = []
  try {
    const read = await readMessage({ binaryMessage: new Uint8Array(message), config: CONFIG })
    const { data, signatures } = await verify({
      message: read,
      verificationKeys: [...keys],
      format: 'binary',
      date: now,
      config: CONFIG,
    })
    for (const { keyID, verified, signature } of signatures) {
      try {
        await verified
        const [packet] = (await signature).packets
        return {
          content: Buffer.from(data),
          keyId: keyID.toHex().toUpperCase(),
          signedAt: packet?.created ?? undefined,
        }
      } catch (error) {
        reasons.push((error as Error).message)
      }
    }
  } catch (cause) {
    throw new OpenPgpError(`the signature cannot be read (${(cause as Error).message})`, { cause })
  }
  throw new OpenPgpError(reasons.length === 0 ? 'the message is not signed' : reasons.join('; '))
}

/** The ids of the keys, as gpg shows them. */
export function describeKeys(keys: readonly Key[]): string {
  return keys.map((key) => key.getKeyID().toHex().toUpperCase()).join(', ')
}
