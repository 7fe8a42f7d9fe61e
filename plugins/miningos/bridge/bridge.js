// SPDX-License-Identifier: MIT
// MiningOS's wire on one side, the role's lines on the other. README has both.
'use strict'

const net = require('net')
const { setTimeout: wait } = require('timers/promises')
const identity = require('./identity')
const methods = require('./methods.json')
const readLines = require('./lines')

const NODE_MIN = 18
const LINE_MAX = 16 << 20
const REQUEST_MAX = 1 << 20
const DEPTH_MAX = 32 // the role's parser has its own bound
const OPEN_MAX = 256 // requests, of all peers and
const OPEN_PEER_MAX = 64 // of one
const ANSWER_MS = 150000 // the longest that an ork waits is 120 s
const CLOSE_MS = 1500
const WIRE_ERROR = '[HRPC_ERR]='

const role = new net.Socket({ fd: 3, readable: true, writable: true })
const open = new Map() // requests that the role has to answer: id -> end(error, payload)
const openOf = new Map() // their number by peer
let lastId = 0
let transport = null
let config = null
let ending = false
let told = ''

function log (level, text) {
  process.stderr.write(JSON.stringify({ level, text: String(text).slice(0, 1000) }) + '\n')
}

const send = (message) => role.writable && role.write(JSON.stringify(message) + '\n')
const wireError = (name) => Buffer.from(JSON.stringify(WIRE_ERROR + name))

function deeper (value, levels) {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => deeper(inner, levels - 1))
}

// Neither list: everybody. One of them: only who is in one, and who is not in `allow` may not write.
function admit (peer) {
  return (!config.allow && !config.allow_read_only) || mayWrite(peer) || (config.allow_read_only || []).includes(peer)
}

function mayWrite (peer) {
  return config.allow ? config.allow.includes(peer) : !config.allow_read_only
}

const methodsOf = (rack) => methods.filter((m) => m.minerpool || !rack.type.startsWith('minerpool'))

// A request from outside; resolves to the bytes of the answer. Rejects when the rack does not know the method.
async function serve (rack, name, payload, peer) {
  const method = methods.find((m) => m.name === name)

  if (method.local === 'same') return payload
  if (method.local === 'instance') return Buffer.from(JSON.stringify(rack.instance))
  if (method.write && !mayWrite(peer)) return wireError('ERR_MISSING_WRITE_PERMISSIONS')
  if (payload.length > REQUEST_MAX) return wireError('ERR_REQUEST_TOO_LONG')
  let params
  try {
    params = JSON.parse(payload)
  } catch {
    return wireError('ERR_FACS_NET_DATA_FORMAT')
  }
  if (deeper(params, DEPTH_MAX)) return wireError('ERR_FACS_NET_DATA_FORMAT')
  const mine = openOf.get(peer) || 0
  if (open.size >= OPEN_MAX || mine >= OPEN_PEER_MAX || ending) return wireError('ERR_BRIDGE_BUSY')
  openOf.set(peer, mine + 1)
  try {
    return await ask({ rack: rack.id, method: name, peer, params })
  } finally {
    openOf.set(peer, openOf.get(peer) - 1)
    if (openOf.get(peer) === 0) openOf.delete(peer)
  }
}

function ask (request) {
  do lastId = lastId % 0x7fffffff + 1
  while (open.has(lastId))
  const id = lastId

  return new Promise((resolve, reject) => {
    const end = (error, payload) => {
      clearTimeout(timer)
      open.delete(id)
      if (error === 'UNKNOWN_METHOD') reject(Object.assign(new Error(`Unknown method '${request.method}'`), { code: error }))
      else resolve(error ? wireError(error) : payload)
    }
    const timer = setTimeout(end, ANSWER_MS, 'ERR_RACK_TIMEOUT')

    open.set(id, end)
    send({ id, ...request })
  })
}

// A call of the role to an ork: the value that it answers, or a throw with what went wrong as the code.
async function call ({ key, method, params = null, timeout }) {
  if (transport === null) throw Object.assign(new Error('not configured'), { code: 'ERR_BRIDGE_DOWN' })
  const answer = await transport.call(key, method, Buffer.from(JSON.stringify(params)), timeout)
  const fail = (code) => Object.assign(new Error(`the answer to ${method}`), { code })
  let value

  if (!answer || answer.length > LINE_MAX - 100) throw fail('ERR_ANSWER_SIZE')
  try {
    value = JSON.parse(answer)
  } catch {
    throw fail('ERR_FACS_NET_DATA_FORMAT')
  }
  if (deeper(value, DEPTH_MAX)) throw fail('ERR_FACS_NET_DATA_FORMAT')
  if (typeof value === 'string' && value.startsWith(WIRE_ERROR)) throw fail(value.slice(WIRE_ERROR.length, WIRE_ERROR.length + 200).replace(/[^ -~]/g, '?') || 'ERR_UNKNOWN')
  return value
}

function configure (params) {
  config = params
  const { client, racks } = identity(config.keys_file, config.racks)
  const listening = (ids) => {
    if (told === (told = JSON.stringify(ids))) return
    send({ id: 0, method: 'state', params: { listening: ids } })
  }

  transport = require(config.transport === 'socket' ? './transport-socket' : './transport-dht')(config, client,
    { racks, admit, methodsOf, serve, listening, log, busy: wireError('ERR_BRIDGE_BUSY') })
  return {
    client_key: client.publicKey.toString('hex'),
    racks: racks.map((rack) => ({ id: rack.id, rpc_public_key: rack.keyPair.publicKey.toString('hex') })),
    node_version: process.version
  }
}

async function handle (message) {
  if (message.method === 'configure') {
    if (parseInt(process.versions.node) < NODE_MIN) throw Object.assign(new Error(`Node.js ${process.version} is too old: ${NODE_MIN} is needed, 20 is better`), { code: 'ERR_NODE_TOO_OLD' })
    return configure(message.params)
  }
  if (message.method === 'call') return call(message.params)
  if (message.method === 'ping') return 1
  if (message.method === 'stop') return stop(0)
  throw Object.assign(new Error(String(message.method)), { code: 'UNKNOWN_METHOD' })
}

// Of our own modules a missing one is a broken installation; of the others, what npm brings.
function errorName (error) {
  if (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_DLOPEN_FAILED' || error.code === 'ADDON_NOT_FOUND') return 'ERR_MODULES_MISSING'
  return typeof error.code === 'string' ? error.code : 'ERR_BRIDGE'
}

async function online (line) {
  // an answer's value goes to the wire as it is, without being read: it may be megabytes
  const answer = /^\{"id":(\d+),"result":/.exec(line.subarray(0, 40).toString('latin1'))

  if (answer !== null) {
    const end = open.get(Number(answer[1]))

    if (end) end(null, line.subarray(answer[0].length, -1))
    return
  }
  const message = JSON.parse(line)
  if (message.method === undefined) {
    const end = open.get(message.id)

    if (end) end(String(message.error || 'ERR_BRIDGE'))
    return
  }
  try {
    const result = await handle(message)
    if (message.id !== 0) send({ id: message.id, result: result === undefined ? null : result })
  } catch (error) {
    send({ id: message.id, error: errorName(error), message: String(error.message).split('\n')[0] })
    if (message.method === 'configure') stop(3)
  }
}

async function stop (code) {
  if (ending) return
  ending = true
  for (const end of [...open.values()]) end('ERR_RACK_STOPPED')
  try {
    await Promise.race([transport === null ? null : transport.close(), wait(CLOSE_MS)])
  } catch (error) {
    log('warning', `closing: ${error.message}`)
  }
  role.end(() => process.exit(code))
  setTimeout(() => process.exit(code), 500)
}

process.on('uncaughtException', (error) => {
  log('error', error.stack || error)
  process.exit(1)
})
process.on('SIGTERM', () => stop(0))
process.on('SIGINT', () => {})
role.on('error', () => stop(1))
role.on('end', () => stop(0))
readLines(role, LINE_MAX, online, () => {
  log('error', 'a line of the role is too long')
  process.exit(1)
})
