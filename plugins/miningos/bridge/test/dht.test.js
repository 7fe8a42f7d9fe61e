// SPDX-License-Identifier: MIT
// The bridge on a real HyperDHT that is private to this test: all of its nodes are on 127.0.0.1.
'use strict'

const assert = require('assert')
const { spawn } = require('child_process')
const path = require('path')
const test = require('node:test')
const readLines = require('../lines')
const { Role, LIMIT_MS } = require('./role')

let DHT, RPC
try {
  DHT = require('hyperdht')
  RPC = require('@hyperswarm/rpc')
} catch {}
const options = { timeout: 2 * LIMIT_MS, skip: DHT && RPC ? false : 'the modules are missing: npm ci --omit=dev' }
const loopback = { host: '127.0.0.1', firewalled: false }
const json = (value) => Buffer.from(JSON.stringify(value))
const bytes = (key) => Buffer.from(key, 'hex')

async function bootstrapper (port = 0) {
  if (port === 0) { // a free one
    const probe = new DHT({ bootstrap: [], ...loopback, port: 1024 + Math.floor(Math.random() * 60000) })
    await probe.fullyBootstrapped()
    port = probe.address().port
    await probe.destroy()
  }
  const dht = DHT.bootstrapper(port, '127.0.0.1', { host: '127.0.0.1' })
  await dht.fullyBootstrapped()
  return { dht, port, bootstrap: [{ host: '127.0.0.1', port }] }
}

async function node (bootstrap, more) {
  const dht = new DHT({ bootstrap, ...loopback, port: 0, ...more })
  await dht.fullyBootstrapped()
  return dht
}

// A private DHT, a bridge in it, and an ork: its RPC server, and a client to call the racks with.
async function network (t, more) {
  const first = await bootstrapper()
  const second = await node(first.bootstrap, { ephemeral: false })
  const third = await node(first.bootstrap)
  const rpc = new RPC({ dht: third })
  const ork = rpc.createServer()
  await ork.listen()
  const role = new Role()
  t.after(async () => {
    await role.end()
    await rpc.destroy()
    for (const dht of [third, second, first.dht]) await dht.destroy({ force: true })
  })
  const own = third.defaultKeyPair.publicKey.toString('hex')
  await role.configure({ transport: 'dht', bootstrap: first.bootstrap, bind: { host: '127.0.0.1' }, ...(more && more(own)) })
  return { role, rpc, ork, first, own, orkKey: ork.publicKey.toString('hex') }
}

const request = async (n, rack, method, payload, timeout = LIMIT_MS) =>
  n.rpc.request(bytes(n.role.keys.racks[rack].rpc_public_key), method, payload, { timeout })
const ask = async (n, rack, method, value, timeout) => JSON.parse(await request(n, rack, method, json(value), timeout))

test('racks answer under their keys', options, async (t) => {
  const n = await network(t)
  n.role.answer = (...seen) => seen
  await n.role.until(() => n.role.listening.length === 2)
  assert.deepStrictEqual(await ask(n, 0, 'listThings', { limit: 1 }), ['miner-sv2-1', 'listThings', { limit: 1 }, n.own])
  assert.deepStrictEqual(await ask(n, 1, 'getWrkExtData', {}), ['minerpool-sv2-1', 'getWrkExtData', {}, n.own])
  assert.strictEqual(String(await request(n, 0, 'ping', Buffer.from('any bytes'))), 'any bytes')
  assert.strictEqual(String(await request(n, 0, 'echo', Buffer.from('{ }'))), '{ }')
  assert.strictEqual(JSON.parse(await request(n, 0, 'tailLog', Buffer.from('no JSON'))), '[HRPC_ERR]=ERR_FACS_NET_DATA_FORMAT')
  await assert.rejects(request(n, 0, 'executeAction', json({})), { code: 'UNKNOWN_METHOD' })
  n.role.answer = () => { throw new Error('ERR_THING_NOTFOUND') }
  assert.strictEqual(await ask(n, 0, 'queryThing', {}), '[HRPC_ERR]=ERR_THING_NOTFOUND')
})

test('an answer of ten megabytes passes', options, async (t) => {
  const n = await network(t)
  const things = Array.from({ length: 10000 }, (_, i) => ({ id: String(i), tags: ['x'.repeat(980)] }))
  n.role.answer = () => things
  await n.role.until(() => n.role.listening.length === 2)
  assert.deepStrictEqual(await ask(n, 0, 'listThings', {}), things)
})

test('who asks much and does not read gets it, piece by piece, or is told that it is too much', options, async (t) => {
  const n = await network(t)
  const text = 'x'.repeat(10 << 20)
  const waiting = []
  let asked
  const all = new Promise((resolve) => { asked = resolve })
  n.role.answer = () => new Promise((resolve) => {
    waiting.push(() => resolve(text))
    if (waiting.length === 40) asked()
  })
  await n.role.until(() => n.role.listening.length === 2)
  const peer = spawn(process.execPath, [path.join(__dirname, 'greedy.js'), String(n.first.port), n.role.keys.racks[0].rpc_public_key], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => peer.kill('SIGKILL'))
  const said = []
  let heard = () => {}
  readLines(peer.stdout, 1000, (line) => {
    said.push(line.toString())
    heard()
  }, () => {})
  await all
  peer.kill('SIGSTOP')
  waiting.forEach((end) => end())
  await n.role.request('ping') // comes after all of the answers
  assert.ok(n.role.resident() < 600 << 20, `${n.role.resident() >> 20} MiB`)
  peer.kill('SIGCONT')
  while (said.length < 40) await new Promise((resolve) => { heard = resolve })
  const whole = said.filter((a) => a === String(text.length + 2)).length
  assert.ok(whole >= 10 && whole < 40, `${whole} of 40`)
  assert.strictEqual(said.filter((a) => a === String('"[HRPC_ERR]=ERR_BRIDGE_BUSY"'.length)).length, 40 - whole, said.join())
})

test('calls an ork by its key', options, async (t) => {
  const n = await network(t)
  let peer
  n.ork.respond('registerRack', (payload, connection) => {
    peer = connection.stream.remotePublicKey.toString('hex')
    return json(JSON.parse(payload).id === 'a' ? 1 : '[HRPC_ERR]=ERR_RACK_ID_INVALID')
  })
  assert.strictEqual(await n.role.call(n.orkKey, 'registerRack', { id: 'a' }), 1)
  assert.strictEqual(peer, n.role.keys.client_key)
  await assert.rejects(n.role.call(n.orkKey, 'registerRack', {}), { code: 'ERR_RACK_ID_INVALID' })
  await assert.rejects(n.role.call(n.orkKey, 'getConfigs', {}), { code: 'UNKNOWN_METHOD' })
  await assert.rejects(n.role.call('cc'.repeat(32), 'registerRack', {}))
})

test('the firewall knows peers by their keys', options, async (t) => {
  const n = await network(t, () => ({ allow: ['dd'.repeat(32)] }))
  await n.role.until(() => n.role.listening.length === 2)
  await assert.rejects(request(n, 0, 'ping', json(1), 5000))
})

test('a peer that may only read', options, async (t) => {
  const n = await network(t, (own) => ({ allow_read_only: [own] }))
  n.role.answer = () => 'done'
  await n.role.until(() => n.role.listening.length === 2)
  assert.strictEqual(await ask(n, 0, 'listThings', {}), 'done')
  assert.strictEqual(await ask(n, 0, 'queryThing', {}), '[HRPC_ERR]=ERR_MISSING_WRITE_PERMISSIONS')
})

test('a DHT that never answers, then does', options, async (t) => {
  const first = await bootstrapper()
  await first.dht.destroy({ force: true })
  const role = new Role()
  t.after(() => role.end())
  await role.configure({ transport: 'dht', bootstrap: first.bootstrap, bind: { host: '127.0.0.1' } })
  await assert.rejects(role.call('cc'.repeat(32), 'registerRack', {}, 3000))
  assert.deepStrictEqual(role.listening, [])
  const again = await bootstrapper(first.port)
  const dht = await node(first.bootstrap)
  t.after(async () => {
    await dht.destroy({ force: true })
    await again.dht.destroy({ force: true })
  })
  await role.until(() => role.listening.length === 2)
})

test('a DHT whose place another one has taken', options, async (t) => {
  const first = await bootstrapper()
  const role = new Role()
  t.after(() => role.end())
  role.answer = () => 1
  await role.configure({ transport: 'dht', bootstrap: first.bootstrap, bind: { host: '127.0.0.1' } })
  await role.until(() => role.listening.length === 2)
  await first.dht.destroy({ force: true })
  const second = await bootstrapper(first.port)
  const dht = await node(first.bootstrap)
  const rpc = new RPC({ dht })
  t.after(async () => {
    await rpc.destroy()
    await dht.destroy({ force: true })
    await second.dht.destroy({ force: true })
  })
  const key = bytes(role.keys.racks[0].rpc_public_key)
  for (let answer = null; answer !== '1';) {
    answer = await rpc.request(key, 'ping', Buffer.from('1'), { timeout: 2000 }).then(String, () => null)
    if (answer === null) await new Promise((resolve) => setTimeout(resolve, 200))
  }
  await role.until(() => role.listening.length === 2)
})

test('the ork is found again after it was away', options, async (t) => {
  const n = await network(t)
  const keys = DHT.keyPair()
  const key = keys.publicKey.toString('hex')
  const start = async () => {
    const dht = await node(n.first.bootstrap)
    const rpc = new RPC({ dht })
    const server = rpc.createServer()
    server.respond('listRacks', () => json([]))
    await server.listen(keys)
    return async () => {
      await rpc.destroy()
      await dht.destroy()
    }
  }
  const stop = await start()
  assert.deepStrictEqual(await n.role.call(key, 'listRacks', {}), [])
  await stop()
  await assert.rejects(n.role.call(key, 'listRacks', {}, 5000))
  const stopAgain = await start()
  t.after(stopAgain)
  for (;;) {
    try {
      assert.deepStrictEqual(await n.role.call(key, 'listRacks', {}, 5000), [])
      break
    } catch (error) {
      if (error.code === 'ERR_ASSERTION') throw error
    }
  }
})
