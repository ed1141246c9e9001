import t from 'tap'
import Type from 'typebox'
import { toJsonSchema } from '../../src/config/json-schema.ts'
import { flag, list, OURS, shown } from '../../src/config/key.ts'

t.test('a section names what is required, and takes nothing else when it is closed', async (t) => {
  const schema = Type.Object(
    { a: shown(), b: shown('x'), c: Type.Optional(shown()), d: flag(true), e: list(shown()), f: Type.Object({}) },
    { closed: OURS },
  )
  t.match(toJsonSchema(schema, 'T'), {
    title: 'T',
    type: 'object',
    required: ['a'],
    additionalProperties: false,
    properties: { b: { default: 'x' }, d: { type: 'boolean', default: true }, f: { additionalProperties: true } },
  })
})

t.test('text may be written as a number, and a word of digits too', async (t) => {
  const { properties } = toJsonSchema(Type.Object({ a: shown(), b: Type.Enum(['1', 'x']) }), '') as {
    properties: unknown
  }
  t.same(properties, { a: { type: ['string', 'number'] }, b: { enum: [1, '1', 'x'] } })
})

t.test('a list in the place of a section is one of the ways to write it', async (t) => {
  const schema = Type.Object({ names: list(shown()) }, { listKey: 'names' })
  const text = { type: ['string', 'number'] }
  t.match(toJsonSchema(schema, ''), { anyOf: [{ type: 'object' }, { type: 'array', items: text }, text] })
})

t.test('nothing of our own notes is published, and a grammar is told in words', async (t) => {
  const schema = Type.Object({ a: shown(undefined, { form: 'platform', description: 'What for.' }) }, { closed: OURS })
  const text = JSON.stringify(toJsonSchema(schema, ''))
  t.notMatch(text, /shown|closed|"form"/)
  t.match(text, /What for\.\\nwrite linux\/amd64/)
})
