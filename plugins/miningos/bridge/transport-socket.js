// SPDX-License-Identifier: MIT
// The same requests over Unix sockets, see README: for tests and for a stand-in on this machine.
'use strict'

const fs = require('fs')
const net = require('net')
const path = require('path')
const readLines = require('./lines')

const LINE_MAX = 16 << 20
const CONNECTIONS_MAX = 64

const send = (socket, message) => socket.writable && socket.write(JSON.stringify(message) + '\n')

function parse (line) {
  try {
    const message = JSON.parse(line)

    return message !== null && typeof message === 'object' ? message : null
  } catch {
    return null
  }
}

module.exports = function open (config, client, service) {
  const address = (key) => path.join(config.socket_dir, key.slice(0, 16) + '.sock')
  const clients = new Map()
  const servers = []
  const accepted = new Set()
  const up = []

  function accept (rack, methods, socket) {
    let peer = null

    accepted.add(socket)
    socket.on('close', () => accepted.delete(socket))
    socket.on('error', () => {})
    readLines(socket, LINE_MAX, async (line) => {
      const m = parse(line)

      if (peer === null) {
        if (m === null || !/^[0-9a-f]{64}$/.test(m.client) || !service.admit(m.client)) return socket.destroy()
        peer = m.client
        return
      }
      if (m === null || !Number.isSafeInteger(m.id) || m.id < 0 || typeof m.method !== 'string' || typeof m.payload !== 'string') return socket.destroy()
      let answer = { code: 'UNKNOWN_METHOD', message: `Unknown method '${m.method}'` }
      try {
        if (methods.has(m.method)) answer = { payload: (await service.serve(rack, m.method, Buffer.from(m.payload), peer)).toString() }
      } catch (error) {
        answer = { code: error.code, message: error.message }
      }
      if (m.id !== 0) send(socket, { id: m.id, ...answer })
    }, () => socket.destroy())
  }

  function listen (rack) {
    const file = address(rack.keyPair.publicKey.toString('hex'))
    const methods = new Set(service.methodsOf(rack).map((m) => m.name))
    const server = net.createServer((socket) => accept(rack, methods, socket))

    fs.rmSync(file, { force: true })
    server.maxConnections = CONNECTIONS_MAX
    server.on('error', (error) => service.log('error', `${file}: ${error.message}`))
    server.listen(file, () => {
      up.push(rack.id)
      service.listening(up)
    })
    servers.push(server)
  }

  function connect (key) {
    let c = clients.get(key)

    if (c) return c
    c = { socket: net.connect(address(key)), open: new Map(), last: 0 }
    clients.set(key, c)
    send(c.socket, { client: client.publicKey.toString('hex') })
    c.socket.on('error', (error) => { c.why = error.message })
    c.socket.on('close', () => {
      clients.delete(key)
      for (const end of c.open.values()) end({ code: 'CHANNEL_CLOSED', message: c.why || 'closed' })
    })
    readLines(c.socket, LINE_MAX, (line) => {
      const m = parse(line)

      if (m === null) c.socket.destroy()
      else if (c.open.has(m.id)) c.open.get(m.id)(m)
    }, () => c.socket.destroy())
    return c
  }

  function call (key, method, payload, timeout) {
    const c = connect(key)
    const id = ++c.last

    return new Promise((resolve, reject) => {
      const end = (m) => {
        clearTimeout(timer)
        c.open.delete(id)
        if (typeof m.payload === 'string') resolve(Buffer.from(m.payload))
        else reject(Object.assign(new Error(m.message || ''), { code: m.code || 'REQUEST_ERROR' }))
      }
      const timer = setTimeout(end, timeout, { code: 'TIMEOUT_EXCEEDED' })

      c.open.set(id, end)
      send(c.socket, { id, method, payload: payload.toString() })
    })
  }

  process.umask(0o077)
  service.racks.forEach(listen)
  return {
    call,
    async close () {
      for (const c of clients.values()) c.socket.destroy()
      for (const socket of accepted) socket.destroySoon()
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    }
  }
}
