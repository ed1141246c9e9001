// One login of an upstream. The secret is in a private field: it shows up in no log, no JSON and no inspection, and
// leaves only through the methods that make a header or a form of it.
import { createHmac } from 'node:crypto'
import { Problem } from '../config/problem.ts'

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/

export type CredentialSecret =
  | { readonly username: string; readonly password: string }
  /** An OAuth 2 refresh token that the token server exchanges. */
  | { readonly identityToken: string }

export class Credential {
  /** Tells credentials apart; says nothing about the secret. */
  readonly id: string
  readonly #secret: CredentialSecret

  /** `place` names the source for messages; `salt` keys the identity. Throws a Problem for what no header can hold. */
  constructor(secret: CredentialSecret, place: string, salt: Buffer) {
    for (const [name, value] of Object.entries(secret)) {
      if (CONTROL.test(value)) throw new Problem(`the ${name} of ${place} holds a control character`)
      if (value === '' && name !== 'password') throw new Problem(`the ${name} of ${place} is empty`)
    }
    if ('username' in secret && secret.username.includes(':'))
      throw new Problem(`the username of ${place} holds a colon, which Basic authentication cannot carry`)
    this.#secret = secret
    this.id = createHmac('sha256', salt).update(JSON.stringify(secret)).digest('hex').slice(0, 16)
  }

  /** The value of an Authorization header (RFC 7617); undefined for an identity token, which only makes tokens. */
  basic(): string | undefined {
    if (!('username' in this.#secret)) return undefined
    const { username, password } = this.#secret
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  }

  /** The identity token, for the body of a request to the token server. */
  refreshToken(): string | undefined {
    return 'identityToken' in this.#secret ? this.#secret.identityToken : undefined
  }
}
