// Fastify with postgres (postgres.js), which prepares and pipelines by itself.

import Fastify from 'fastify'
import postgres from 'postgres'
import {
  ajv, body, customer, page, params, querystring, rfc3339, uuid7
} from './fastify_customers.mjs'

const { CONNECTIONS, DATABASE_URL, PORT } = process.env

const TIMESTAMPTZ = 1184

const sql = postgres(DATABASE_URL, {
  max: Number(CONNECTIONS),
  connection: { TimeZone: 'UTC' },
  types: { time: { from: [TIMESTAMPTZ], parse: rfc3339 } },
  fetch_types: false // it would ask for arrays, and there are none
})
const app = Fastify({ logger: false, ajv })

const columns = sql.unsafe('id, name, email, created_at, updated_at')

const account = request => request.headers['x-account']

const found = (reply, [row]) => row ?? reply.code(404).send({ error: 'Not Found' })

app.get(
  '/v1/sample_customers/:id',
  { schema: { params, response: { 200: customer } } },
  async (request, reply) =>
    found(reply, await sql`
      SELECT ${columns} FROM sample_customers
      WHERE account_id = ${account(request)} AND id = ${request.params.id}`)
)

app.get(
  '/v1/sample_customers',
  { schema: { querystring, response: { 200: page } } },
  async request => {
    const limit = Number(request.query.limit)
    // PostgreSQL plans a literal LIMIT once, and a parameter again and again.
    const items = await sql`
      SELECT ${columns} FROM sample_customers
      WHERE account_id = ${account(request)} AND id < ${request.query.cursor}
      ORDER BY id DESC LIMIT ${sql.unsafe(limit + 1)}`
    const more = items.length > limit && items.pop()
    return { items, next: more ? items[limit - 1].id : null }
  }
)

app.post(
  '/v1/sample_customers',
  { schema: { body, response: { 201: customer } } },
  async (request, reply) => {
    const { name, email } = request.body
    const [row] = await sql`
      INSERT INTO sample_customers
        (account_id, id, version, created_at, updated_at, name, email)
      VALUES (${account(request)}, ${uuid7()}, 1, now(), now(), ${name}, ${email})
      RETURNING ${columns}`
    reply.code(201).header('location', `/v1/sample_customers/${row.id}`)
    return row
  }
)

app.put(
  '/v1/sample_customers/:id',
  { schema: { params, body, response: { 200: customer } } },
  async (request, reply) => {
    const { name, email } = request.body
    return found(reply, await sql`
      UPDATE sample_customers
      SET name = ${name}, email = ${email},
          version = version + 1, updated_at = now()
      WHERE account_id = ${account(request)} AND id = ${request.params.id}
      RETURNING ${columns}`)
  }
)

await app.listen({ host: '127.0.0.1', port: Number(PORT) })
