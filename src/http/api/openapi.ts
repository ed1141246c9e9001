// The OpenAPI 3.1 document of the admin API, made from the table of its routes: what is not in the table is not
// served, and what is in it is here.
import Type from 'typebox'
import { Failure, Finding, Progress } from './reports.ts'
import { SyncedImage, UpstreamWait } from './sync-schemas.ts'
import type { Route } from './route.ts'

const REFUSALS: Readonly<Record<string, string>> = {
  400: 'the options are wrong; the message names them',
  401: 'a login is needed',
  403: 'this user is no administrator, the request comes from another origin, or it is for the local socket only',
  405: 'the registry is read-only',
  413: 'the body is larger than 64 KiB',
  415: 'the body is not of the type that is taken',
}

const Events = Type.Union([
  Type.Intersect([Type.Object({ event: Type.Literal('progress') }), Progress]),
  Type.Intersect([Type.Object({ event: Type.Literal('finding') }), Finding]),
  Type.Object({ event: Type.Literal('image'), ended: SyncedImage }),
  Type.Object({ event: Type.Literal('wait'), waits: UpstreamWait }),
  Type.Object({ event: Type.Literal('report'), report: Type.Unknown() }),
  Type.Object({
    event: Type.Literal('error'),
    message: Type.String(),
    hint: Type.Optional(Type.String()),
    exitCode: Type.Optional(Type.Integer({ description: 'of the command that asked; 1 where there is none' })),
  }),
])

type Described = Pick<Route, 'summary' | 'body' | 'report' | 'long' | 'takes' | 'gives'>

const ARCHIVE = { 'application/x-tar': { schema: { type: 'string', format: 'binary' } } }

/** Describes the routes; the keys are method and path, as in `POST /gc`. */
export function describeApi(routes: Readonly<Record<string, Described>>): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const [name, facts] of Object.entries(routes)) {
    const [method = '', path = ''] = name.split(' ')
    const item = (paths[`/api/v1${path}`] ??= {})
    item[method.toLowerCase()] = describeRoute(method, path, facts)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tarn admin API',
      version: '1',
      description:
        'On the local socket of the registry without login, and over HTTP for the users of access.admins. Durations are written as in Go: 24h, 90m, 0s.',
    },
    security: [{ basic: [] }],
    paths,
    components: { securitySchemes: { basic: { type: 'http', scheme: 'basic' } }, schemas: { Event: Events, Failure } },
  }
}

function describeRoute(method: string, path: string, { summary, body, report, long, takes, gives }: Described): object {
  const failure = { 'application/json': { schema: { $ref: '#/components/schemas/Failure' } } }
  return {
    operationId: `${method.toLowerCase()}-${path.slice(1).replace(/\W+/g, '-')}`,
    summary,
    ...describeRequest(method, body, takes, gives),
    responses: {
      200:
        gives === 'archive'
          ? { description: 'the archive', content: ARCHIVE }
          : long
            ? describeStream(report)
            : { description: 'done', content: { 'application/json': { schema: report } } },
      ...Object.fromEntries(
        Object.entries(REFUSALS).map(([status, description]) => [status, { description, content: failure }]),
      ),
    },
  }
}

function describeRequest(method: string, body: Route['body'], takes: Route['takes'], gives: Route['gives']): object {
  if ((takes ?? gives) === undefined) {
    return method === 'GET' ? {} : { requestBody: { content: { 'application/json': { schema: body } } } }
  }
  const { properties = {} } = body as { properties?: Readonly<Record<string, { description?: string }>> }
  return {
    parameters: Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', schema })),
    ...(takes !== undefined && { requestBody: { required: true, content: ARCHIVE } }),
  }
}

// OpenAPI 3.1 has no word for the lines of a stream: the schema is that of one line, the report's is beside it.
function describeStream(report: object): object {
  return {
    description:
      'one JSON object a line: progress (ten a second at most), findings, and last the report or an error. The act goes on when the client goes away.',
    content: { 'application/x-ndjson': { schema: { $ref: '#/components/schemas/Event' }, 'x-report': report } },
  }
}
