// SPDX-License-Identifier: MIT
// The real wire: @hyperswarm/rpc over HyperDHT.
'use strict'

const RPC = require('@hyperswarm/rpc')
const DHT = require('hyperdht')

const CONNECTIONS_MAX = 64
const LINGER_MS = 300000 // a connection is kept that long after its last use
const AGAIN_MS = 2000
const LOOK_MS = 5000 // how often we look for ourselves,
const LOOK_PUBLIC_MS = 300000 // and where there are more nodes than a private DHT has
const PRIVATE_NODES = 20
const HELD_MAX = 128 << 20 // bytes of answers that wait for peers to read the ones before
const READ_MS = 60000 // the longest that a peer may take for one


const hex = (key) => Buffer.from(key).toString('hex')

// SERVICE: racks with key pairs, admit(peer), methodsOf(rack), serve(rack, method, payload, peer), busy (an
// answer), listening(ids), log(level, text).
module.exports = function open (config, client, service) {
  const dht = new DHT({ keyPair: client, ...(config.bootstrap && { bootstrap: config.bootstrap }), ...config.bind })
  const rpc = new RPC({ dht, keyPair: client })
  const clients = new Map()
  const servers = []
  const up = new Set() // racks that the DHT knows
  let timer = null
  let closing = false
  let held = 0

  const tell = () => service.listening(dht.online ? [...up] : [])

  // Whether the DHT tells others where RACK is.
  async function known (rack) {
    try {
      for await (const { peer } of dht.findPeer(rack.keyPair.publicKey)) {
        if (rack.keyPair.publicKey.equals(peer.publicKey)) return true
      }
    } catch {}
    return false
  }

  // HyperDHT announces its servers now and then, and when it can't reach nodes where it has done so. That
  // others have taken the place of those, knowing nothing, it would find out in minutes.
  async function look () {
    for (const { rack } of servers) {
      if (await known(rack)) up.add(rack.id)
      else up.delete(rack.id)
    }
    if (closing) return
    if (up.size < servers.length) for (const server of dht.listening) server.refresh()
    tell()
    const settled = up.size === service.racks.length && dht.nodes.length >= PRIVATE_NODES
    clearTimeout(timer)
    timer = setTimeout(look, settled ? LOOK_PUBLIC_MS : LOOK_MS)
  }

  // An answer leaves when the peer has read the one before, so that one who asks much and reads nothing
  // costs little.
  async function pace (peer, answer) {
    if (peer.mux.drained && !peer.waiting) return answer
    if (held + answer.length > HELD_MAX) return service.busy
    const before = peer.waiting
    let done
    peer.waiting = new Promise((resolve) => { done = resolve })
    held += answer.length
    await before
    if (!peer.mux.drained && !peer.closed) {
      const timer = setTimeout(() => peer.destroy(), READ_MS)
      let end
      await new Promise((resolve) => {
        end = resolve
        peer.stream.once('drain', end)
        peer.once('close', end)
      })
      peer.stream.off('drain', end)
      peer.off('close', end)
      clearTimeout(timer)
    }
    held -= answer.length
    setImmediate(done) // when this one has been written
    return answer
  }

  async function answer (rack, name, payload, peer) {
    return pace(peer, await service.serve(rack, name, payload || Buffer.alloc(0), hex(peer.stream.remotePublicKey)))
  }

  async function listen (rack) {
    const server = rpc.createServer({ firewall: (key) => !service.admit(hex(key)) })

    server.on('connection', (peer) => {
      if (server.connections.size > CONNECTIONS_MAX) peer.destroy()
    })
    for (const { name } of service.methodsOf(rack)) {
      server.respond(name, (payload, peer) => answer(rack, name, payload, peer))
    }
    try {
      await server.listen(rack.keyPair)
      servers.push({ rack, server })
      if (servers.length === service.racks.length) look()
    } catch (error) {
      if (closing) return
      service.log('warning', `${rack.id}: ${error.message}; trying again`)
      await server.close().catch(() => {})
      setTimeout(listen, AGAIN_MS, rack)
    }
  }

  // One connection a peer. After a failure the next call looks the peer up anew.
  function connect (key) {
    let c = clients.get(key)

    if (c && !c.client.closed) return c
    c = { client: rpc.connect(Buffer.from(key, 'hex')), open: 0, timer: null, why: '' }
    clients.set(key, c)
    c.client.stream.on('error', (error) => { c.why = error.code || error.message })
    c.client.on('close', () => drop(key, c))
    return c
  }

  function drop (key, c) {
    clearTimeout(c.timer)
    if (clients.get(key) === c) clients.delete(key)
    c.client.destroy()
  }

  async function call (key, method, payload, timeout) {
    const c = connect(key)

    clearTimeout(c.timer)
    c.open++
    try {
      return await c.client.request(method, payload, { timeout })
    } catch (error) {
      if (error.code === 'TIMEOUT_EXCEEDED') drop(key, c)
      if (error.code === 'CHANNEL_CLOSED' && c.why !== '') error.code = c.why
      throw error
    } finally {
      if (--c.open === 0 && !c.client.closed) c.timer = setTimeout(drop, LINGER_MS, key, c)
    }
  }

  service.racks.forEach(listen)
  dht.on('network-update', tell)
  return {
    call,
    async close () {
      closing = true
      clearTimeout(timer)
      for (const [key, c] of clients) drop(key, c)
      await rpc.destroy()
      await dht.destroy()
    }
  }
}
