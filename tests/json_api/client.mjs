// What a client does with Kitsu, a library that knows nothing of this server.
// node client.mjs <address> <token>: prints what it saw of each step as JSON.
import Kitsu from 'kitsu'

const [address, token] = process.argv.slice(2)
const api = new Kitsu({
  baseURL: `${address}/v1`,
  headers: { Authorization: `Bearer ${token}` },
  camelCaseTypes: false,
  pluralize: false,
  resourceCase: 'none',
})
const seen = {}

const made = []
for (const name of ['Ada', 'Bob', 'Eve']) {
  const { data } = await api.create('sample_customers', { name, email: `${name}@example.com` })
  made.push(data)
}
seen.created = made

seen.read = (await api.get(`sample_customers/${made[0].id}`)).data

const first = await api.get('sample_customers', { params: { page: { limit: 2 }, sort: 'name' } })
const next = new URL(first.links.next, address).searchParams
const second = await api.get('sample_customers', { params: Object.fromEntries(next) })
seen.pages = [first, second].map(page => page.data.map(each => each.name))
seen.ends = second.links.next === undefined

seen.changed = (await api.update('sample_customers', { id: made[0].id, name: 'Grace' })).data

await api.delete('sample_customers', made[1].id)
const found = await api.get('sample_customers', { params: { filter: { name: 'Bob' } } })
seen.left = found.data.length

const refusal = request => request.then(() => null, error => error.errors)
seen.refused = await refusal(api.create('sample_customers', { name: '', email: 'no address' }))
seen.gone = await refusal(api.get(`sample_customers/${made[1].id}`))

console.log(JSON.stringify(seen))
