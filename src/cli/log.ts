// The log of `tarn serve`: lines on stderr, as text (distribution's default) or JSON. Requests are logged
// by method, path and status; headers, where the passwords are, never reach it.
import pino from 'pino'
import type { Logger } from 'pino'
import type { Config } from '../config/schema.ts'
import type { AccessEntry } from '../http/observe.ts'

export interface Log {
  readonly logger: Logger
  /** Writes a line of the access log. Apart from pino, whose text we would have to take apart again, for each request. */
  readonly access: (entry: AccessEntry) => void
}

const LEVELS: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info', 40: 'warning', 50: 'error', 60: 'fatal' }
const INFO = 30
// Lines are written together, a system call for each costs more than the line; none waits longer than this.
const FLUSH_EVERY_MS = 200
const FLUSH_BYTES = 4096

/** Makes the log that `log:` of the configuration asks for. */
export function createLog(config: Config['log']): Log {
  const stderr = pino.destination({ fd: 2, sync: true, minLength: FLUSH_BYTES })
  setInterval(() => stderr.flush(), FLUSH_EVERY_MS).unref()
  process.on('exit', () => stderr.flushSync())
  const fields = { ...config.fields }
  const options = { level: config.level, base: fields, timestamp: pino.stdTimeFunctions.isoTime }
  const json = config.formatter === 'json'
  const logger = json ? pino(options, stderr) : pino(options, { write: (line: string) => stderr.write(toText(line)) })
  return {
    logger,
    access(entry) {
      if (!logger.isLevelEnabled('info')) return
      const time = new Date().toISOString()
      if (json) stderr.write(`${JSON.stringify({ level: INFO, time, ...fields, ...entry, msg: 'request' })}\n`)
      else stderr.write(`time=${time} level=info msg=request${writeFields(entry)}${writeFields(fields)}\n`)
    },
  }
}

// logrus's text form, which people's log readers know.
function toText(line: string): string {
  const { time, level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>
  const message = msg === undefined ? '' : ` msg=${quote(msg)}`
  return `time=${quote(time)} level=${LEVELS[level as number] ?? 'info'}${message}${writeFields(rest)}\n`
}

function writeFields(fields: object): string {
  let text = ''
  for (const [key, value] of Object.entries(fields)) text += ` ${key}=${quote(value)}`
  return text
}

function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text)
}
