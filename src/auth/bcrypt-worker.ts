// The thread in which htpasswd-js checks passwords: 70 ms of computing at cost 10, which must never happen on the
// event loop nor in libuv's pool (all file I/O runs there). It reads no file and no environment.
import { parentPort } from 'node:worker_threads'
import { authenticate } from 'htpasswd-js'

export interface CheckRequest {
  readonly password: string
  readonly hash: string
}

// htpasswd-js keeps users in a plain object, where a name such as `__proto__` would be trouble: it gets our name.
const USER = 'user'

parentPort?.on('message', ({ password, hash }: CheckRequest) => {
  authenticate({ username: USER, password, data: `${USER}:${hash}` }).then(
    (matches) => parentPort?.postMessage(matches),
    () => parentPort?.postMessage(false),
  )
})
