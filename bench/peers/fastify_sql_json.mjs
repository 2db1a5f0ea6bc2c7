// Fastify with pg, where PostgreSQL writes the JSON and Fastify sends it as it is.

import Fastify from 'fastify'
import pg from 'pg'
import { ajv, body, params, querystring, uuid7 } from './fastify_customers.mjs'

const { CONNECTIONS, DATABASE_URL, PORT } = process.env
const DOCUMENT = `json_build_object('id', id, 'name', name, 'email', email,
  'created_at', created_at, 'updated_at', updated_at)`

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(CONNECTIONS) })
const app = Fastify({ logger: false, ajv })

// A statement with a name is prepared, once a connection; its rows have one column.
const prepared = (name, text) => ({ name, text, rowMode: 'array' })

const RETRIEVE = prepared(
  'retrieve',
  `SELECT ${DOCUMENT}::text FROM sample_customers WHERE account_id = $1 AND id = $2`
)
const CREATE = prepared(
  'create',
  `INSERT INTO sample_customers
    (account_id, id, version, created_at, updated_at, name, email)
    VALUES ($1, $2, 1, now(), now(), $3, $4) RETURNING ${DOCUMENT}::text`
)
const REPLACE = prepared(
  'replace',
  `UPDATE sample_customers
    SET name = $3, email = $4, version = version + 1, updated_at = now()
    WHERE account_id = $1 AND id = $2 RETURNING ${DOCUMENT}::text`
)

// PostgreSQL plans a literal LIMIT once, and LIMIT $3 again and again.
const list = limit => prepared(
  `list ${limit}`,
  `WITH found AS (
      SELECT * FROM sample_customers WHERE account_id = $1 AND id < $2
      ORDER BY id DESC LIMIT ${limit + 1}
    ), shown AS (SELECT * FROM found ORDER BY id DESC LIMIT ${limit})
    SELECT json_build_object(
      'items', coalesce(json_agg(${DOCUMENT}), '[]'::json),
      'next', CASE WHEN (SELECT count(*) FROM found) > ${limit}
              THEN (array_agg(id))[${limit}] END)::text FROM shown`
)

const account = request => request.headers['x-account']

const query = async (statement, ...values) =>
  (await pool.query(statement, values)).rows

const send = (reply, rows) =>
  rows.length
    ? reply.type('application/json; charset=utf-8').send(rows[0][0])
    : reply.code(404).send({ error: 'Not Found' })

app.get('/v1/sample_customers/:id', { schema: { params } }, async (request, reply) =>
  send(reply, await query(RETRIEVE, account(request), request.params.id))
)

app.get('/v1/sample_customers', { schema: { querystring } }, async (request, reply) => {
  const { limit, cursor } = request.query
  return send(reply, await query(list(Number(limit)), account(request), cursor))
})

app.post('/v1/sample_customers', { schema: { body } }, async (request, reply) => {
  const id = uuid7()
  const { name, email } = request.body
  const rows = await query(CREATE, account(request), id, name, email)
  return send(reply.code(201).header('location', `/v1/sample_customers/${id}`), rows)
})

app.put('/v1/sample_customers/:id', { schema: { params, body } }, async (request, reply) => {
  const { name, email } = request.body
  const values = [account(request), request.params.id, name, email]
  return send(reply, await query(REPLACE, ...values))
})

await app.listen({ host: '127.0.0.1', port: Number(PORT) })
