// The log of `tarn serve`: lines on stderr, as text (distribution's default) or JSON. Requests are logged
// by method, path and status; headers, where the passwords are, never reach it.
import pino from 'pino'
import type { Logger } from 'pino'
import type { Config } from '../config/schema.ts'

const LEVELS: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info', 40: 'warning', 50: 'error', 60: 'fatal' }

/** Makes the logger that `log:` of the configuration asks for. */
export function createLogger(config: Config['log']): Logger {
  const stderr = pino.destination({ fd: 2, sync: false })
  const options = { level: config.level, base: { ...config.fields }, timestamp: pino.stdTimeFunctions.isoTime }
  if (config.formatter === 'json') return pino(options, stderr)
  return pino(options, { write: (line: string) => stderr.write(toText(line)) })
}

// logrus's text form, which people's log readers know.
function toText(line: string): string {
  const { time, level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>
  const words = [`time=${quote(time)}`, `level=${LEVELS[level as number] ?? 'info'}`]
  if (msg !== undefined) words.push(`msg=${quote(msg)}`)
  for (const [key, value] of Object.entries(rest)) words.push(`${key}=${quote(value)}`)
  return `${words.join(' ')}\n`
}

function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text)
}
