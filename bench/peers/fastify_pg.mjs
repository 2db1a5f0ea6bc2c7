// Fastify with pg (node-postgres): prepared statements, compiled schemas.

import Fastify from 'fastify'
import pg from 'pg'
import {
  ajv, body, customer, page, params, querystring, rfc3339, uuid7
} from './fastify_customers.mjs'

const { CONNECTIONS, DATABASE_URL, PORT } = process.env
const COLUMNS = 'id, name, email, created_at, updated_at'

pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, rfc3339)
const pool = new pg.Pool({
  connectionString: DATABASE_URL,
  max: Number(CONNECTIONS),
  options: '-c TimeZone=UTC'
})
const app = Fastify({ logger: false, ajv })

const RETRIEVE = {
  name: 'retrieve', // a statement with a name is prepared, once a connection
  text: `SELECT ${COLUMNS} FROM sample_customers WHERE account_id = $1 AND id = $2`
}
const CREATE = {
  name: 'create',
  text: `INSERT INTO sample_customers
    (account_id, id, version, created_at, updated_at, name, email)
    VALUES ($1, $2, 1, now(), now(), $3, $4) RETURNING ${COLUMNS}`
}
const REPLACE = {
  name: 'replace',
  text: `UPDATE sample_customers
    SET name = $3, email = $4, version = version + 1, updated_at = now()
    WHERE account_id = $1 AND id = $2 RETURNING ${COLUMNS}`
}

// PostgreSQL plans a literal LIMIT once, and LIMIT $3 again and again.
const list = limit => ({
  name: `list ${limit}`,
  text: `SELECT ${COLUMNS} FROM sample_customers WHERE account_id = $1 AND id < $2
    ORDER BY id DESC LIMIT ${limit}`
})

const account = request => request.headers['x-account']

const query = async (statement, ...values) =>
  (await pool.query(statement, values)).rows

const found = (reply, [row]) => row ?? reply.code(404).send({ error: 'Not Found' })

app.get(
  '/v1/sample_customers/:id',
  { schema: { params, response: { 200: customer } } },
  async (request, reply) =>
    found(reply, await query(RETRIEVE, account(request), request.params.id))
)

app.get(
  '/v1/sample_customers',
  { schema: { querystring, response: { 200: page } } },
  async request => {
    const limit = Number(request.query.limit)
    const { cursor } = request.query
    const items = await query(list(limit + 1), account(request), cursor)
    const more = items.length > limit && items.pop()
    return { items, next: more ? items[limit - 1].id : null }
  }
)

app.post(
  '/v1/sample_customers',
  { schema: { body, response: { 201: customer } } },
  async (request, reply) => {
    const { name, email } = request.body
    const [row] = await query(CREATE, account(request), uuid7(), name, email)
    reply.code(201).header('location', `/v1/sample_customers/${row.id}`)
    return row
  }
)

app.put(
  '/v1/sample_customers/:id',
  { schema: { params, body, response: { 200: customer } } },
  async (request, reply) => {
    const { name, email } = request.body
    const values = [account(request), request.params.id, name, email]
    return found(reply, await query(REPLACE, ...values))
  }
)

await app.listen({ host: '127.0.0.1', port: Number(PORT) })
