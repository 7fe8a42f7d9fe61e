// SPDX-License-Identifier: MIT
// The role's side of a bridge, for tests: starts it, sends it lines, collects what it says.
'use strict'

const { spawn } = require('child_process')
const fs = require('fs')
const net = require('net')
const os = require('os')
const path = require('path')
const readLines = require('../lines')

const RACKS = [
  { id: 'miner-sv2-1', type: 'miner-sv2', seed: '' },
  { id: 'minerpool-sv2-1', type: 'minerpool-sv2', seed: 'minerpool' }
]
const LIMIT_MS = 60000

class Role {
  constructor (folder) {
    this.folder = folder || fs.mkdtempSync(path.join(os.tmpdir(), 'adit-bridge-'))
    this.child = spawn(process.execPath, [path.join(__dirname, '..', 'bridge.js')], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env: { PATH: process.env.PATH } })
    this.channel = this.child.stdio[3]
    this.channel.on('error', () => {})
    this.lastId = 0
    this.calls = new Map()
    this.listening = []
    this.changed = () => {}
    // what a rack answers: (rack, method, params, peer) -> value, or a throw of the error's name
    this.answer = () => { throw new Error('ERR_THING_NOTFOUND') }
    this.exit = new Promise((resolve) => this.child.on('exit', (code, signal) => resolve(code === null ? signal : code)))
    readLines(this.channel, 1 << 24, (line) => this.online(JSON.parse(line)), () => { throw new Error('too long') })
    this.child.stderr.resume()
    this.child.stdout.resume()
  }

  async online (m) {
    if (m.method === 'state') {
      this.listening = m.params.listening
      this.changed()
    } else if (m.method === undefined) {
      this.calls.get(m.id)(m)
    } else {
      let answer
      try {
        answer = `"result":${JSON.stringify(await this.answer(m.rack, m.method, m.params, m.peer))}`
      } catch (error) {
        answer = `"error":${JSON.stringify(error.message)}`
      }
      this.channel.write(`{"id":${m.id},${answer}}\n`)
    }
  }

  request (method, params) {
    const id = ++this.lastId

    this.channel.write(JSON.stringify({ id, method, params }) + '\n')
    return new Promise((resolve, reject) => {
      this.calls.set(id, (m) => m.error === undefined ? resolve(m.result) : reject(Object.assign(new Error(m.message), { code: m.error })))
    })
  }

  async configure (options) {
    this.keys = await this.request('configure', { keys_file: path.join(this.folder, 'bridge-keys.json'), transport: 'socket', socket_dir: this.folder, racks: RACKS, ...options })
    return this.keys
  }

  call (key, method, params, timeout = LIMIT_MS) {
    return this.request('call', { key, method, params, timeout })
  }

  // Bytes of memory that the bridge has.
  resident () {
    return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${this.child.pid}/status`, 'utf8'))[1])
  }

  async until (condition) {
    while (!condition()) await new Promise((resolve) => { this.changed = resolve })
  }

  async end (keep) {
    this.channel.end()
    const code = await this.exit
    if (!keep) fs.rmSync(this.folder, { recursive: true, force: true })
    return code
  }
}

// A client of transport `socket`. request() resolves to {payload} or {code}.
class Client {
  constructor (folder, serverKey, ownKey) {
    this.socket = net.connect(path.join(folder, serverKey.slice(0, 16) + '.sock'))
    this.socket.on('error', () => {})
    this.open = new Map()
    this.lastId = 0
    this.closed = new Promise((resolve) => this.socket.on('close', resolve))
    this.socket.write(JSON.stringify({ client: ownKey }) + '\n')
    readLines(this.socket, 1 << 25, (line) => {
      const m = JSON.parse(line)
      this.open.get(m.id)(m)
    }, () => {})
  }

  request (method, payload) {
    const id = ++this.lastId

    this.socket.write(JSON.stringify({ id, method, payload }) + '\n')
    return new Promise((resolve) => this.open.set(id, resolve))
  }
}

module.exports = { Role, Client, RACKS, LIMIT_MS }
