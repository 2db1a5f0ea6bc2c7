// What the Fastify peers share. The schemas are compiled at start: ajv checks what comes
// in, fast-json-stringify writes what goes out.

import { randomUUID } from 'node:crypto'

const uuid = { type: 'string', format: 'uuid' }
const time = { type: 'string', format: 'date-time' }
const name = { type: 'string', minLength: 1, maxLength: 120 }
const email = { type: 'string', format: 'email', maxLength: 254 }

const NEWEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff' // the cursor of the first page

export const customer = {
  type: 'object',
  properties: { id: uuid, name, email, created_at: time, updated_at: time },
  required: ['id', 'name', 'email', 'created_at', 'updated_at']
}

export const page = {
  type: 'object',
  properties: {
    items: { type: 'array', items: customer },
    next: { ...uuid, nullable: true }
  },
  required: ['items', 'next']
}

export const body = {
  type: 'object',
  properties: { name, email },
  required: ['name', 'email'],
  additionalProperties: false
}

export const params = { type: 'object', properties: { id: uuid } }

export const querystring = {
  type: 'object',
  properties: {
    limit: { type: 'string', pattern: '^([1-9][0-9]?|100)$', default: '20' },
    cursor: { ...uuid, default: NEWEST }
  }
}

// By default a body is made to fit: 5 becomes '5', unknown members are dropped.
export const ajv = { customOptions: { coerceTypes: false, removeAdditional: false } }

// PostgreSQL's text of a time in UTC, as JSON has it: nobody needs a Date in between.
export const rfc3339 = text => text.replace(' ', 'T') + ':00'

// Node makes UUIDs of version 4 alone, from random bits that it keeps in store.
export const uuid7 = () => {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
