// SPDX-License-Identifier: MIT
// The bridge without DHT: lines, keys, firewall, limits. Needs Node.js and no module.
'use strict'

const assert = require('assert')
const crypto = require('crypto')
const fs = require('fs')
const net = require('net')
const path = require('path')
const test = require('node:test')
const identity = require('../identity')
const readLines = require('../lines')
const { Role, Client, RACKS, LIMIT_MS } = require('./role')

const KEY_A = 'aa'.repeat(32)
const KEY_B = 'bb'.repeat(32)
const options = { timeout: LIMIT_MS }
const json = (reply) => JSON.parse(reply.payload)

async function started (t, more) {
  const role = new Role()

  t.after(() => role.end())
  await role.configure(more)
  await role.until(() => role.listening.length === RACKS.length)
  const connect = (rack, own = KEY_A) => {
    const client = new Client(role.folder, role.keys.racks[rack].rpc_public_key, own)

    t.after(() => client.socket.destroy())
    return client
  }
  return { role, connect }
}

test('requests reach the role with rack, peer and params, answers the peer', options, async (t) => {
  const { role, connect } = await started(t)
  role.answer = (...request) => request
  assert.deepStrictEqual(json(await connect(0).request('listThings', '{"limit":1}')), ['miner-sv2-1', 'listThings', { limit: 1 }, KEY_A])
  assert.deepStrictEqual(json(await connect(1, KEY_B).request('getWrkExtData', 'null')), ['minerpool-sv2-1', 'getWrkExtData', null, KEY_B])
})

test('errors have the prefix of the wire', options, async (t) => {
  const { connect } = await started(t)
  assert.strictEqual(json(await connect(0).request('queryThing', '{}')), '[HRPC_ERR]=ERR_THING_NOTFOUND')
})

test('ping and echo answer the same bytes, getInstanceId always the same', options, async (t) => {
  const { connect } = await started(t)
  const client = connect(0)
  assert.strictEqual((await client.request('echo', ' { "a" : 1 } ')).payload, ' { "a" : 1 } ')
  assert.strictEqual((await client.request('ping', 'no JSON')).payload, 'no JSON')
  const id = json(await client.request('getInstanceId', ''))
  assert.match(id, /^miner-sv2-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.strictEqual(json(await connect(0).request('getInstanceId', '')), id)
  assert.notStrictEqual(json(await connect(1).request('getInstanceId', '')), id)
})

test('what is no JSON, too deep or too long does not reach the role', options, async (t) => {
  const { role, connect } = await started(t)
  const seen = []
  role.answer = (...request) => seen.push(request)
  const client = connect(0)
  for (const payload of ['', '{', 'undefined', '[1,]', '{"a":1}x', '['.repeat(100) + ']'.repeat(100), '['.repeat(200000)]) {
    assert.strictEqual(json(await client.request('listThings', payload)), '[HRPC_ERR]=ERR_FACS_NET_DATA_FORMAT', payload.slice(0, 20))
  }
  assert.strictEqual(json(await client.request('listThings', JSON.stringify('x'.repeat(1 << 20)))), '[HRPC_ERR]=ERR_REQUEST_TOO_LONG')
  assert.deepStrictEqual(seen, [])
  for (const payload of ['0', 'null', '""', '[]', '"\\ud800"', '{"__proto__":{"x":1}}']) {
    await client.request('listThings', payload)
  }
  assert.strictEqual(seen.length, 6)
})

test('unknown methods, and those that a rack of pools does not have', options, async (t) => {
  const { role, connect } = await started(t)
  role.answer = () => { throw new Error('UNKNOWN_METHOD') }
  assert.strictEqual((await connect(0).request('listFirmwares', '{}')).code, 'UNKNOWN_METHOD')
  for (const method of ['executeAction', 'constructor', '__proto__', '']) {
    assert.strictEqual((await connect(0).request(method, '{}')).code, 'UNKNOWN_METHOD')
  }
  assert.strictEqual((await connect(1).request('registerThing', '{}')).code, 'UNKNOWN_METHOD')
})

test('an answer of megabytes arrives as it was sent', options, async (t) => {
  const { role, connect } = await started(t)
  const things = Array.from({ length: 10000 }, (_, i) => ({ id: String(i), tags: ['t-miner', 'x'.repeat(900)] }))
  role.answer = () => things
  assert.deepStrictEqual(json(await connect(0).request('listThings', '{}')), things)
})

test('answers come in any order, each to its request', options, async (t) => {
  const { role, connect } = await started(t)
  const waiting = []
  role.answer = (rack, method, params) => new Promise((resolve) => {
    waiting.push(() => resolve(params))
    if (waiting.length === 20) waiting.reverse().forEach((end) => end())
  })
  const client = connect(0)
  const replies = await Promise.all(Array.from({ length: 20 }, (_, i) => client.request('tailLog', String(i))))
  assert.deepStrictEqual(replies.map(json), Array.from({ length: 20 }, (_, i) => i))
})

test('a peer has at most 64 requests open, others still get in', options, async (t) => {
  const { role, connect } = await started(t)
  const waiting = []
  role.answer = (rack, method, params, peer) => peer === KEY_B ? 1 : new Promise((resolve) => waiting.push(resolve))
  const client = connect(0)
  const replies = Array.from({ length: 65 }, () => client.request('tailLog', '{}'))
  assert.strictEqual(json(await replies[64]), '[HRPC_ERR]=ERR_BRIDGE_BUSY')
  assert.strictEqual(json(await connect(0, KEY_B).request('tailLog', '{}')), 1)
  waiting.forEach((end) => end(2))
  assert.strictEqual(json(await replies[63]), 2)
})

test('firewall: no list, one list, both, empty ones', options, async (t) => {
  const outcome = async (lists, own, method) => {
    const { role, connect } = await started(t, lists)
    role.answer = () => 'done'
    const client = connect(0, own)
    const reply = await Promise.race([client.request(method, '{}'), client.closed])
    return typeof reply === 'object' ? json(reply) : 'refused'
  }
  const refused = '[HRPC_ERR]=ERR_MISSING_WRITE_PERMISSIONS'
  assert.strictEqual(await outcome({}, KEY_A, 'queryThing'), 'done')
  assert.strictEqual(await outcome({ allow: [KEY_A] }, KEY_A, 'queryThing'), 'done')
  assert.strictEqual(await outcome({ allow: [KEY_A] }, KEY_B, 'listThings'), 'refused')
  assert.strictEqual(await outcome({ allow: [KEY_A], allow_read_only: [KEY_B] }, KEY_B, 'listThings'), 'done')
  assert.strictEqual(await outcome({ allow: [KEY_A], allow_read_only: [KEY_B] }, KEY_B, 'queryThing'), refused)
  assert.strictEqual(await outcome({ allow_read_only: [KEY_B] }, KEY_B, 'rackReboot'), refused)
  assert.strictEqual(await outcome({ allow_read_only: [KEY_B] }, KEY_A, 'listThings'), 'refused')
  assert.strictEqual(await outcome({ allow: [] }, KEY_A, 'ping'), 'refused')
  assert.strictEqual(await outcome({ allow_read_only: [] }, KEY_A, 'ping'), 'refused')
})

test('a client that breaks the framing is cut off, the others are not', options, async (t) => {
  const { role, connect } = await started(t)
  role.answer = () => 1
  for (const line of ['x', '{}', '{"id":1}', '{"id":"1","method":"ping","payload":""}', '{"id":1.5,"method":"ping","payload":""}', '{"id":1,"method":"ping"}', 'null']) {
    const client = connect(0)
    client.socket.write(line + '\n')
    await client.closed
  }
  const socket = net.connect(path.join(role.folder, role.keys.racks[0].rpc_public_key.slice(0, 16) + '.sock'))
  socket.on('error', () => {})
  socket.write('{"client":"nobody"}\n')
  await new Promise((resolve) => socket.on('close', resolve))
  assert.strictEqual(json(await connect(0).request('listThings', '{}')), 1)
})

test('a line of 100 MB ends its connection', options, async (t) => {
  const { role, connect } = await started(t)
  role.answer = () => 1
  const client = connect(0)
  const chunk = 'x'.repeat(1 << 20)
  for (let i = 0; i < 100 && client.socket.writable; i++) {
    if (!client.socket.write(chunk)) await Promise.race([client.closed, new Promise((resolve) => client.socket.once('drain', resolve))])
  }
  await client.closed
  assert.strictEqual(json(await connect(0).request('listThings', '{}')), 1)
})

test('calls to an ork: values, errors of both kinds, no answer, nobody there', options, async (t) => {
  const { role } = await started(t)
  const answers = {
    registerRack: { payload: '1' },
    listRacks: { payload: '[{"id":"a"}]' },
    forgetRacks: { payload: '"[HRPC_ERR]=ERR_MISSING_WRITE_PERMISSIONS"' },
    setGlobalConfig: { payload: JSON.stringify('[HRPC_ERR]=ERR_\u001b[2J\n' + 'x'.repeat(1000)) },
    cancelActionsBatch: { payload: '"[HRPC_ERR]="' },
    getAction: { code: 'UNKNOWN_METHOD' },
    pushAction: { payload: 'no JSON' },
    voteAction: { payload: '['.repeat(50) + ']'.repeat(50) }
  }
  const seen = []
  const ork = net.createServer((socket) => readLines(socket, 1 << 24, (line) => {
    const m = JSON.parse(line)
    seen.push(m)
    if (answers[m.method]) socket.write(JSON.stringify({ id: m.id, ...answers[m.method] }) + '\n')
    if (m.method === 'kill') socket.destroy()
  }, () => {}))
  t.after(() => ork.close())
  await new Promise((resolve) => ork.listen(path.join(role.folder, KEY_B.slice(0, 16) + '.sock'), resolve))
  const fails = (key, method, code, timeout) => assert.rejects(role.call(key, method, {}, timeout), { code })
  assert.strictEqual(await role.call(KEY_B, 'registerRack', { id: 'a' }), 1)
  assert.deepStrictEqual(seen[0], { client: role.keys.client_key })
  assert.deepStrictEqual(JSON.parse(seen[1].payload), { id: 'a' })
  assert.deepStrictEqual(await role.call(KEY_B, 'listRacks', {}), [{ id: 'a' }])
  await fails(KEY_B, 'forgetRacks', 'ERR_MISSING_WRITE_PERMISSIONS')
  await fails(KEY_B, 'setGlobalConfig', 'ERR_?[2J?' + 'x'.repeat(191))
  await fails(KEY_B, 'cancelActionsBatch', 'ERR_UNKNOWN')
  await fails(KEY_B, 'getAction', 'UNKNOWN_METHOD')
  await fails(KEY_B, 'pushAction', 'ERR_FACS_NET_DATA_FORMAT')
  await fails(KEY_B, 'voteAction', 'ERR_FACS_NET_DATA_FORMAT')
  await fails(KEY_B, 'silence', 'TIMEOUT_EXCEEDED', 50)
  await fails(KEY_B, 'kill', 'CHANNEL_CLOSED')
  await fails(KEY_A, 'registerRack', 'CHANNEL_CLOSED')
  assert.strictEqual(await role.call(KEY_B, 'registerRack', {}), 1)
})

test('keys are kept, private, and not made anew over a damaged file', options, async (t) => {
  const first = new Role()
  t.after(() => fs.rmSync(first.folder, { recursive: true, force: true }))
  const keys = await first.configure()
  assert.notStrictEqual(keys.racks[0].rpc_public_key, keys.racks[1].rpc_public_key)
  assert.strictEqual(await first.end(true), 0)
  const file = path.join(first.folder, 'bridge-keys.json')
  assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
  const stored = JSON.parse(fs.readFileSync(file))
  assert.deepStrictEqual(Object.keys(stored), ['seedDht', 'seedRpc', 'seedSwarm'])
  assert.deepStrictEqual(fs.readdirSync(first.folder).filter((name) => name.endsWith('.new')), [])

  const second = new Role(first.folder)
  assert.deepStrictEqual(await second.configure(), keys)
  assert.strictEqual(await second.end(true), 0)

  fs.chmodSync(file, 0o640)
  const open = new Role(first.folder)
  await assert.rejects(open.configure(), /chmod 600/)
  assert.strictEqual(await open.exit, 3)

  fs.chmodSync(file, 0o600)
  fs.writeFileSync(file, '{"seedDht":"00"}')
  const damaged = new Role(first.folder)
  await assert.rejects(damaged.configure(), /has no seedDht/)
  assert.strictEqual(await damaged.exit, 3)
  assert.strictEqual(fs.readFileSync(file, 'utf8'), '{"seedDht":"00"}')
})

// RFC 8032, 7.1, test 1.
test('the keys are those of Ed25519', () => {
  const folder = fs.mkdtempSync(path.join(require('os').tmpdir(), 'adit-bridge-'))
  const file = path.join(folder, 'keys.json')
  const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
  fs.writeFileSync(file, JSON.stringify({ seedDht: seed, seedRpc: seed, seedSwarm: seed }), { mode: 0o600 })
  const { client, racks } = identity(file, RACKS)
  fs.rmSync(folder, { recursive: true })
  assert.strictEqual(client.publicKey.toString('hex'), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  assert.strictEqual(client.secretKey.toString('hex'), seed + client.publicKey.toString('hex'))
  assert.deepStrictEqual(racks[0].keyPair, client)
  const derived = crypto.createHmac('sha256', Buffer.from(seed, 'hex')).update('adit rack minerpool').digest()
  assert.deepStrictEqual(racks[1].keyPair.secretKey.subarray(0, 32), derived)
})

test('lines are the same however they are cut', () => {
  const text = 'one\n\ntwo\nthree'
  for (let size = 1; size <= text.length; size++) {
    const stream = new (require('events'))()
    const lines = []
    readLines(stream, 5, (line) => lines.push(line.toString()), () => lines.push('long'))
    for (let at = 0; at < text.length; at += size) stream.emit('data', Buffer.from(text.slice(at, at + size)))
    assert.deepStrictEqual(lines, ['one', '', 'two'])
  }
})

test('ends when the role is gone, and when it is told to', options, async () => {
  const gone = new Role()
  await gone.configure()
  assert.strictEqual(await gone.end(), 0)
  const told = new Role()
  await told.configure()
  told.channel.write('{"id":0,"method":"stop"}\n')
  assert.strictEqual(await told.exit, 0)
  assert.strictEqual(await told.end(), 0)
})

test('open requests are answered when it ends', options, async (t) => {
  const { role, connect } = await started(t)
  role.answer = () => new Promise(() => {})
  const client = connect(0)
  const reply = client.request('tailLog', '{}')
  await client.request('ping', '')
  role.channel.write('{"id":0,"method":"stop"}\n')
  assert.ok(await Promise.race([reply, client.closed.then(() => true)]))
  assert.strictEqual(await role.exit, 0)
})

test('a role that writes nonsense is an error, an unknown method an answer', options, async () => {
  const role = new Role()
  await assert.rejects(role.request('listThings', {}), { code: 'UNKNOWN_METHOD' })
  await assert.rejects(role.call(KEY_A, 'registerRack', {}), { code: 'ERR_BRIDGE_DOWN' })
  role.channel.write('nonsense\n')
  assert.strictEqual(await role.exit, 1)
  await role.end()
})
